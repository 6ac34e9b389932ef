// Enhances the review queue: a decision answers in place, and the search for a category offers what it finds.
// Without this script every button is a plain form, and the search leads to a page of its own.
'use strict';
{
    const WAIT = 150;

    function element(name, className, text) {
        const made = document.createElement(name);
        if (className) {
            made.className = className;
        }
        if (text !== undefined) {
            made.textContent = text;
        }
        return made;
    }

    function announce(text) {
        const place = document.getElementById('cat-announce');
        if (place) {
            place.textContent = text;
        }
    }

    // --- Decisions in place -------------------------------------------------------------------------------

    const FRESH = 300; // Milliseconds in which nobody can have read the row that comes under the pointer.
    let freshness = null;

    // The next row has moved to where the last one was: a double click must not decide it.
    function freshen() {
        clearTimeout(freshness);
        document.body.dataset.fresh = 'yes';
        freshness = setTimeout(() => delete document.body.dataset.fresh, FRESH);
    }

    function settle(row, message, good) {
        freshen();
        const told = element('p', good ? 'cat-settled-good' : 'cat-settled-warn', message);
        if (good) {
            // It takes back what was decided last: an older row must not offer it any more.
            document.querySelectorAll('.cat-undo-last').forEach((old) => old.remove());
            const button = element('button', 'cat-plain cat-undo-last', 'Undo');
            button.type = 'submit';
            button.setAttribute('form', 'cat-undo');
            told.append(' ', button);
        }
        const cell = replaceRow(row, told);
        announce(message);
        const next = row.parentElement.querySelector(`#${row.id} ~ tr:not(.cat-settled)`);
        const button = next && next.querySelector('button.cat-candidate, .cat-pick input');
        if (button) {
            button.focus();
        } else {
            cell.tabIndex = -1;
            cell.focus();
        }
    }

    const undecided = new WeakMap(); // What stood in a row before it was decided.

    // A row whose decision was taken back, as it was; false where the page does not know it.
    function bringBack(row) {
        const before = row && undecided.get(row);
        if (!before) {
            return false;
        }
        row.replaceChildren(...before);
        row.classList.remove('cat-settled');
        row.querySelectorAll('button').forEach((button) => { button.disabled = button.hidden; });
        return true;
    }

    function replaceRow(row, told) {
        forget(row);
        const cell = element('td');
        cell.colSpan = row.cells.length;
        cell.append(told);
        undecided.set(row, [...row.childNodes]);
        row.replaceChildren(cell);
        row.classList.add('cat-settled');
        row.classList.remove('selected');
        return cell;
    }

    // Says below a product why it was not decided.
    function complain(row, message, ...more) {
        row.querySelectorAll('.cat-trouble').forEach((old) => old.remove());
        const trouble = element('p', 'cat-trouble', message);
        trouble.setAttribute('role', 'alert');
        trouble.append(...more.flatMap((part) => [' ', part]));
        row.querySelector('.cat-other').append(trouble);
    }

    // Posts a form; gives the answer and what it says. Throws an Error for people when it is no answer of ours.
    async function post(address, body) {
        const answer = await fetch(address, {
            method: 'POST', body, headers: {Accept: 'application/json'}, credentials: 'same-origin', keepalive: true,
        });
        const kind = answer.headers.get('Content-Type') || '';
        if (!kind.startsWith('application/json')) {
            throw new Error(answer.status === 403 || answer.redirected
                ? 'You are no longer logged in, or may not decide this. Load the page again.'
                : `The site answered with error ${answer.status}. Nothing was decided.`);
        }
        return {answer, told: await answer.json()};
    }

    const underway = new Set();

    function submitted(event) {
        const sending = decide(event);
        underway.add(sending);
        sending.finally(() => underway.delete(sending));
    }

    // Says something about the page as a whole, wherever it is scrolled to.
    function tell(message, kind) {
        document.getElementById('cat-toast')?.remove();
        const toast = element('p', `cat-told cat-settled-${kind}`, message);
        toast.id = 'cat-toast';
        toast.setAttribute('role', 'status');
        document.body.append(toast);
    }

    // Undoes what was decided last, which may be what is still on its way; its rows come back in place.
    async function undo(event) {
        event.preventDefault();
        const form = event.target;
        await Promise.all([...underway]);
        try {
            const {answer, told} = await post(form.action, new FormData(form));
            if (told.address) {
                location.assign(told.address);
                return;
            }
            const rows = answer.ok ? told.pks.map((pk) => document.getElementById(`row-${pk}`)) : [];
            if (answer.ok) {
                document.querySelectorAll('.cat-undo-last').forEach((old) => old.remove());
            }
            tell(told.message, answer.ok ? 'good' : 'warn');
            if (!rows.map(bringBack).includes(false)) {
                rows[0]?.querySelector('button.cat-candidate, .cat-pick input')?.focus();
            } else {
                // Something waits again that this page does not show.
                sessionStorage.setItem('cat-told', told.message);
                location.reload();
            }
        } catch (error) {
            tell(error instanceof TypeError ? 'The site cannot be reached. Nothing was undone.' : error.message, 'bad');
        }
    }

    async function decide(event) {
        const form = event.target;
        const row = document.getElementById(form.id.replace('decide-', 'row-'));
        if (!row || !event.submitter || !event.submitter.name) {
            return;
        }
        event.preventDefault();
        if (row.dataset.busy || document.body.dataset.fresh) {
            return;
        }
        row.dataset.busy = 'yes';
        const buttons = [...row.querySelectorAll('button')].filter((button) => !button.disabled);
        const body = new FormData(form, event.submitter);
        buttons.forEach((button) => { button.disabled = true; });
        try {
            const {answer, told} = await post(form.action, body);
            if (told.changed) {
                // Its buttons stay off: they would decide what is no longer there.
                const again = element('button', 'cat-plain', 'Load the page again');
                again.type = 'button';
                again.addEventListener('click', () => location.reload());
                complain(row, told.message, again);
                return;
            }
            if (answer.ok || answer.status === 409) {
                const others = (told.pks || []).map((pk) => document.getElementById(`row-${pk}`));
                others.filter((other) => other && other !== row).forEach((other) => {
                    replaceRow(other, element('p', 'cat-settled-good', 'Filed with the one like it.'));
                });
                settle(row, told.message, answer.ok);
                return;
            }
            throw new Error(told.message);
        } catch (error) {
            buttons.forEach((button) => { button.disabled = false; });
            complain(row, error instanceof TypeError ? 'The site cannot be reached. Nothing was decided.' : error.message);
        } finally {
            delete row.dataset.busy;
        }
    }

    // --- The search for a category: the listbox pattern of WAI-ARIA ----------------------------------------

    // What matched is set off: pieces of text, some of them marked.
    function marked(parts) {
        return parts.map(([text, matched]) => {
            const shown = text.split(' > ').join(' › ');
            return matched ? element('mark', '', shown) : shown;
        });
    }

    function picker(box) {
        const input = box.querySelector('input');
        const list = element('ul', 'cat-options');
        list.id = `${input.id}-options`;
        list.setAttribute('role', 'listbox');
        list.setAttribute('aria-label', 'Categories found');
        list.hidden = true;
        box.append(list);
        input.setAttribute('role', 'combobox');
        input.setAttribute('aria-autocomplete', 'list');
        input.setAttribute('aria-expanded', 'false');
        input.setAttribute('aria-controls', list.id);

        let timer = null;
        let asked = null;
        let current = -1;
        let fresh = false; // Whether the list belongs to what the field says now.

        const options = () => [...list.querySelectorAll('[role="option"]')];

        function close() {
            clearTimeout(timer);
            if (asked) {
                asked.abort();
            }
            list.hidden = true;
            current = -1;
            input.setAttribute('aria-expanded', 'false');
            input.removeAttribute('aria-activedescendant');
        }

        function mark(index) {
            const all = options();
            if (!all.length) {
                return;
            }
            current = (index + all.length) % all.length;
            all.forEach((option, at) => option.setAttribute('aria-selected', String(at === current)));
            all[current].scrollIntoView({block: 'nearest'});
            input.setAttribute('aria-activedescendant', all[current].id);
        }

        function choose(option) {
            close();
            box.querySelectorAll('.cat-option-button').forEach((old) => old.remove());
            const button = element('button', 'cat-candidate cat-option-button');
            button.type = 'submit';
            button.name = 'category';
            button.value = option.dataset.code;
            button.setAttribute('form', box.dataset.form);
            button.append(`File under ${option.dataset.above ? `${option.dataset.above} › ` : ''}`);
            button.append(element('strong', '', option.dataset.name));
            box.append(button);
            input.value = option.dataset.name;
            button.focus();
        }

        function say(sentence) {
            list.replaceChildren(element('li', 'cat-nothing', sentence));
            list.hidden = false;
            announce(sentence);
        }

        function show(results, words) {
            fresh = true;
            input.setAttribute('aria-expanded', 'true');
            if (!results.length) {
                say(`No category for “${words}”`);
                return;
            }
            list.replaceChildren();
            results.forEach((found, at) => {
                const option = element('li');
                option.append(...marked(found.name_parts));
                option.id = `${list.id}-${at}`;
                option.setAttribute('role', 'option');
                option.setAttribute('aria-selected', 'false');
                const {code, name, above} = found;
                Object.assign(option.dataset, {code, name, above});
                if (above) {
                    const place = element('small');
                    place.append(...marked(found.above_parts));
                    option.append(place);
                }
                option.addEventListener('mousedown', (event) => {
                    event.preventDefault();
                    choose(option);
                });
                list.append(option);
            });
            list.hidden = false;
            mark(0);
            announce(`${results.length} categories found`);
        }

        async function ask() {
            const words = input.value.trim();
            if (asked) {
                asked.abort();
            }
            if (!words) {
                close();
                return;
            }
            asked = new AbortController();
            try {
                const answer = await fetch(`${box.dataset.find}?q=${encodeURIComponent(words)}`, {
                    signal: asked.signal, credentials: 'same-origin', headers: {Accept: 'application/json'},
                });
                const kind = answer.headers.get('Content-Type') || '';
                if (!answer.ok || !kind.startsWith('application/json')) {
                    throw new Error('refused');
                }
                show((await answer.json()).results, words);
            } catch (error) {
                if (error.name !== 'AbortError') {
                    say('The search does not answer. Load the page again.');
                }
            }
        }

        input.addEventListener('input', () => {
            clearTimeout(timer);
            fresh = false;
            timer = setTimeout(ask, WAIT);
            // What was chosen for other words is not offered any more.
            box.querySelectorAll('.cat-option-button').forEach((old) => old.remove());
        });
        input.addEventListener('keydown', (event) => {
            if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
                event.preventDefault();
                if (list.hidden) {
                    ask();
                } else {
                    mark(event.key === 'ArrowDown' ? current + 1 : Math.max(current, 0) - 1);
                }
            } else if (event.key === 'Enter') {
                // Never what was found for fewer letters, and never away from the page.
                event.preventDefault();
                if (!list.hidden && fresh && options().length) {
                    choose(options()[current]);
                } else {
                    clearTimeout(timer);
                    ask();
                }
            } else if (event.key === 'Escape' && !list.hidden) {
                event.preventDefault();
                close();
            }
        });
        input.addEventListener('blur', close);
    }

    // How many near-duplicates a decision takes along, as they are ticked.
    function counted(event) {
        const also = event.target.closest('.cat-also');
        if (!also) {
            return;
        }
        // Not the list's own boxes: its script must not ask about unsaved changes.
        event.stopPropagation();
        const boxes = [...also.querySelectorAll('[name=also]')];
        const all = also.querySelector('.cat-also-all');
        if (event.target === all) {
            boxes.forEach((box) => { box.checked = all.checked; });
        }
        const chosen = boxes.filter((box) => box.checked).length;
        all.checked = chosen === boxes.length;
        all.indeterminate = chosen > 0 && chosen < boxes.length;
        also.querySelector('.cat-also-count').textContent = chosen;
        also.querySelector('.cat-also-words').hidden = !chosen;
        also.querySelector('.cat-also-none').hidden = chosen > 0;
    }

    // A note that is half written outlives a reload, in this tab, until its product is decided.
    function remember(note) {
        note.value ||= sessionStorage.getItem(note.id) || '';
        note.addEventListener('input', () => sessionStorage.setItem(note.id, note.value));
    }

    function forget(place) {
        place.querySelectorAll('.cat-last [name=note]').forEach((note) => sessionStorage.removeItem(note.id));
    }

    // Brings the fields and pictures below `root` to life.
    function enhance(root) {
        root.querySelectorAll('.cat-last [name=note]').forEach(remember);
        root.querySelectorAll('.cat-pick').forEach(picker);
        root.querySelectorAll('.cat-also').forEach((also) => also.addEventListener('change', counted));
        // A note is not an editable column: the list's own script must not ask about unsaved changes.
        root.querySelectorAll('.cat-other').forEach((cell) => {
            cell.addEventListener('change', (event) => event.stopPropagation());
        });
        // A picture that does not load leaves its place empty instead of a broken sign.
        root.querySelectorAll('img.cat-image').forEach((image) => {
            const clear = () => image.replaceWith(element('span', 'cat-image cat-no-image'));
            image.addEventListener('error', clear);
            if (image.complete && !image.naturalWidth && image.currentSrc) {
                clear();
            }
        });
    }

    function start() {
        document.body.classList.add('cat-scripted');
        // The page of single cards has ways of its own to decide: review.js.
        if (!document.getElementById('cat-review')) {
            document.querySelectorAll('form.cat-decide').forEach((form) => form.addEventListener('submit', submitted));
            document.getElementById('cat-undo')?.addEventListener('submit', undo);
            const told = sessionStorage.getItem('cat-told');
            if (told) {
                sessionStorage.removeItem('cat-told');
                tell(told, 'good');
            }
        }
        enhance(document);
    }

    window.categoriesQueue = {complain, element, enhance, forget, post};

    if (document.readyState === 'loading') {
        document.addEventListener('DOMContentLoaded', start);
    } else {
        start();
    }
}
