// Keys for the review queue, and the page that shows one product at a time. A decision is sent while its successor
// is already on the screen; what became of it is said above, and one that was refused comes back.
'use strict';
{
    const READY = 2; // Cards kept behind the one that is shown.
    const SENT_SKIPS = 500;
    const FRESH = 300; // Milliseconds in which nobody can have read a card: a double click must not decide it.
    const {complain, element, enhance, forget, post} = window.categoriesQueue;

    // --- One product at a time ------------------------------------------------------------------------------

    function cardPage(page) {
        const place = document.getElementById('cat-cards');
        const end = document.getElementById('cat-end');
        const told = document.getElementById('cat-told');
        const sitting = document.getElementById('cat-sitting');
        const waiting = document.getElementById('cat-waiting');
        const undoForm = document.getElementById('cat-undo');
        const token = undoForm.elements.namedItem('csrfmiddlewaretoken').value;
        const cards = [...place.children];
        const underway = new Set();
        let at = 0;
        let decided = 0;
        let fetching = null;
        let exhausted = false;
        let failed = false;
        let until = page.dataset.until; // What was handed out later is held by a later page.
        let undoing = false; // While an undo is under way nothing is decided: it would be what is undone.
        let skipped = null; // The card that was skipped last, until something else is done.
        const lost = document.getElementById('cat-lost');

        const current = () => cards[at];
        // What is being typed must not turn into keys because an answer came.
        const typing = () => current()?.contains(document.activeElement)
            && document.activeElement.matches('input:not([type=checkbox]), textarea, select');
        const open = (card) => card.dataset.state !== 'settled';

        function body(values) {
            const made = new FormData();
            Object.entries({csrfmiddlewaretoken: token, ...values}).forEach((pair) => made.set(...pair));
            return made;
        }

        function say(message, kind, actions = []) {
            told.className = `cat-told cat-settled-${kind}`;
            told.replaceChildren(message, ...actions.flatMap((action) => [' ', action]));
        }

        function action(words, run) {
            const button = element('button', 'cat-plain', words);
            button.type = 'button';
            button.addEventListener('click', run);
            return button;
        }

        function count(change) {
            decided = Math.max(0, decided + change);
            sitting.textContent = decided ? `${decided} decided in this sitting` : '';
            if (waiting.dataset.count) {
                waiting.dataset.count = Math.max(0, Number(waiting.dataset.count) - change);
                waiting.textContent = Number(waiting.dataset.count).toLocaleString('en');
            }
        }

        async function why(card) {
            const box = card.querySelector('.cat-why[data-why]');
            if (!box || box.dataset.state) {
                return;
            }
            box.dataset.state = 'asked';
            try {
                const answer = await fetch(box.dataset.why, {credentials: 'same-origin'});
                if (!answer.ok || answer.redirected) {
                    throw new Error('refused');
                }
                box.innerHTML = await answer.text();
            } catch {
                delete box.dataset.state;
            }
        }

        function show(index) {
            at = Math.max(0, Math.min(index, cards.length));
            cards.forEach((card, number) => { card.hidden = number !== at; });
            end.hidden = at < cards.length || failed;
            lost.hidden = at < cards.length || !failed;
            const target = current() || (failed ? lost : end);
            target.focus({preventScroll: true});
            window.scrollTo(0, 0);
            if (current()) {
                freshen(current());
                why(current());
                if (cards[at + 1]) {
                    why(cards[at + 1]);
                }
            }
            more();
        }

        function freshen(card) {
            card.dataset.fresh = 'yes';
            setTimeout(() => delete card.dataset.fresh, FRESH);
        }

        function again() {
            exhausted = failed = false;
            show(at);
        }

        function add(html, index = cards.length) {
            const holder = document.createElement('template');
            holder.innerHTML = html;
            const card = holder.content.firstElementChild;
            const old = cards.findIndex((other) => other.dataset.pk === card.dataset.pk);
            if (old >= 0) {
                cards[old].remove();
                cards.splice(old, 1);
                index -= old < index ? 1 : 0;
            }
            card.hidden = true;
            place.insertBefore(card, cards[index] || null);
            cards.splice(index, 0, card);
            enhance(card);
            numbered(card);
            return index;
        }

        // Keeps cards ready, so that a decision shows its successor at once.
        async function more() {
            if (fetching || exhausted || cards.length - at > READY) {
                return;
            }
            // What was decided waits no longer: only the others could come again.
            const seen = cards.filter(open).map((card) => card.dataset.pk);
            fetching = post(page.dataset.next, body({
                order: page.dataset.order, category: page.dataset.category,
                skip: seen.slice(-SENT_SKIPS).join(','), count: READY,
            }));
            try {
                const {told: found} = await fetching;
                until = found.until || until;
                const wasAtEnd = at >= cards.length;
                const shown = current();
                // One that was decided here and waits again, undone elsewhere, comes again.
                const known = (pk) => cards.some((card) => card.dataset.pk === String(pk) && open(card));
                const fresh = found.cards.filter(({pk}) => !known(pk));
                fresh.forEach(({html}) => add(html));
                if (wasAtEnd) {
                    at = cards.length - fresh.length;
                } else if (cards.includes(shown)) {
                    at = cards.indexOf(shown);
                } else {
                    show(Math.min(at, cards.length - 1));
                }
                exhausted = !found.cards.length;
                if (wasAtEnd && at < cards.length) {
                    show(at);
                } else if (cards[at + 1]) {
                    why(cards[at + 1]);
                }
            } catch (error) {
                exhausted = failed = true;
                say(error instanceof TypeError ? 'The site cannot be reached.' : error.message, 'warn',
                    [action('Try again', again)]);
                if (!current()) {
                    show(at);
                }
            } finally {
                fetching = null;
            }
        }

        const notes = new Map(); // Of what was decided here, for its undo.

        function settled(card, message, good) {
            forget(card);
            card.dataset.state = 'settled';
            card.replaceChildren(element('p', good ? 'cat-settled-good' : 'cat-settled-warn', message));
        }

        function skip() {
            const card = current();
            if (card) {
                skipped = card;
                show(at + 1);
                say('Skipped.', 'plain', [action('Back to it', () => show(cards.indexOf(card)))]);
            }
        }

        async function decide(event) {
            const form = event.target;
            const card = form.closest('.cat-bigcard');
            if (!card || !form.classList.contains('cat-decide') || !event.submitter || !event.submitter.name) {
                return;
            }
            event.preventDefault();
            if (card.dataset.state || card.dataset.fresh || undoing) {
                return;
            }
            card.dataset.state = 'sending';
            skipped = null;
            const values = new FormData(form, event.submitter);
            notes.set(card.dataset.pk, values.get('note'));
            const sending = send(card, form.action, values);
            underway.add(sending);
            if (card === current()) {
                show(at + 1);
            }
            await sending;
            underway.delete(sending);
        }

        async function send(card, address, values) {
            try {
                const {answer, told: outcome} = await post(address, values);
                if (outcome.changed) {
                    await renew(card, outcome.message);
                    return;
                }
                if (!answer.ok && answer.status !== 409) {
                    throw new Error(outcome.message);
                }
                settled(card, outcome.message, answer.ok);
                say(outcome.message, answer.ok ? 'good' : 'warn', answer.ok ? [action('Undo', undo)] : []);
                if (answer.ok) {
                    count(outcome.pks.length);
                }
                drop(outcome.pks.filter((pk) => String(pk) !== card.dataset.pk));
            } catch (error) {
                delete card.dataset.state;
                const message = error instanceof TypeError
                    ? 'The site cannot be reached. Nothing was decided.' : error.message;
                const back = () => show(cards.indexOf(card));
                say(`“${card.getAttribute('aria-label')}” was not decided.`, 'bad',
                    [action('Back to it', back), action('Load the page again', () => location.reload())]);
                complain(card, message);
                if (cards.includes(card) && !typing()) {
                    back();
                }
            }
        }

        // A card whose product changed under its reader's eyes comes back as it is now; a note is kept.
        async function renew(card, message) {
            const html = await cardAt(card.dataset.card);
            const busy = typing() && card !== current();
            const index = add(html, cards.indexOf(card));
            const fresh = cards[index];
            say(message, 'warn', [action('Back to it', () => show(cards.indexOf(fresh)))]);
            complain(fresh, message);
            if (!busy) {
                show(index);
            }
        }

        // Near-duplicates that a decision took along need no card any more.
        function drop(pks) {
            const gone = new Set(pks.map(String));
            if (!gone.size) {
                return;
            }
            const shown = current();
            const before = cards.slice(0, at).filter((card) => gone.has(card.dataset.pk)).length;
            cards.filter((card) => gone.has(card.dataset.pk)).forEach((card) => {
                cards.splice(cards.indexOf(card), 1);
                card.remove();
            });
            if (shown && cards.includes(shown)) {
                at -= before; // It is being looked at, perhaps written in: it stays as it is.
                more();
            } else {
                show(at - before);
            }
        }

        async function undo(event) {
            event?.preventDefault();
            if (skipped && cards.includes(skipped)) {
                const card = skipped;
                skipped = null;
                say('', 'plain');
                show(cards.indexOf(card));
                return;
            }
            if (undoing) {
                return;
            }
            undoing = true;
            try {
                await Promise.allSettled([...underway]);
                const {answer, told: outcome} = await post(undoForm.action, new FormData(undoForm));
                const confirm = element('a', '', 'What would be taken back');
                confirm.href = outcome.address;
                say(outcome.message, answer.ok ? 'good' : 'warn', outcome.address ? [confirm] : []);
                if (!answer.ok) {
                    return;
                }
                count(-outcome.pks.length);
                if (outcome.pks.length) {
                    await bringBack(outcome.pks[0]).catch(() => again());
                }
            } catch (error) {
                say(error instanceof TypeError ? 'The site cannot be reached. Nothing was undone.' : error.message, 'bad');
            } finally {
                undoing = false;
            }
        }

        async function bringBack(pk) {
            const address = undoForm.action.replace('review/undo/', `${pk}/card/`);
            const html = await cardAt(address);
            exhausted = false;
            const index = add(html, at);
            const note = cards[index].querySelector('[name=note]');
            if (note && !note.value) {
                note.value = notes.get(String(pk)) || '';
            }
            show(index);
        }

        async function cardAt(address) {
            const answer = await fetch(address, {credentials: 'same-origin'});
            if (!answer.ok || answer.redirected) {
                throw new Error('This product could not be loaded again. Load the page again.');
            }
            return (await answer.json()).cards[0].html;
        }

        place.addEventListener('submit', decide);
        place.addEventListener('click', (event) => {
            if (event.target.closest('.cat-skip a')) {
                event.preventDefault();
                skip();
            }
        });
        undoForm.addEventListener('submit', undo);
        lost.querySelector('button').addEventListener('click', again);
        page.querySelector('.cat-order select').addEventListener('change', (event) => event.target.form.submit());
        window.addEventListener('pagehide', () => until && navigator.sendBeacon(page.dataset.leave, body({until})));
        // A page from the browser's memory shows cards that it no longer holds.
        window.addEventListener('pageshow', (event) => { if (event.persisted) { location.reload(); } });
        cards.forEach(numbered);
        show(0);

        return {
            current,
            next: () => show(at + 1),
            back: () => show(at - 1),
            skip,
            undo,
        };
    }

    // --- The list -------------------------------------------------------------------------------------------

    function listPage() {
        const rows = () => [...document.querySelectorAll('tr.cat-row:not(.cat-settled)')];
        const undoForm = document.getElementById('cat-undo');
        let chosen = null;
        let begun = false; // Whether somebody has gone to a row.

        function mark(row) {
            document.querySelectorAll('tr.cat-current').forEach((old) => old.classList.remove('cat-current'));
            chosen = row || null;
            chosen?.classList.add('cat-current');
        }

        function inView(row) {
            const {top, bottom} = row.getBoundingClientRect();
            return (top > -2 && bottom < innerHeight + 2) || (top < innerHeight * 0.8 && bottom > innerHeight * 0.2);
        }

        // What the keys act on: the marked row. Of one that is out of sight nothing is decided: what is in sight
        // is marked in its place.
        function current() {
            const all = rows();
            if (all.includes(chosen) && inView(chosen)) {
                return chosen;
            }
            mark(all.find(inView));
            return null;
        }

        function move(step) {
            const all = rows();
            const index = begun ? all.indexOf(chosen) + step : 0;
            mark(all[Math.max(0, Math.min(index, all.length - 1))]);
            begun = true;
            delete document.body.dataset.fresh; // Who has gone to a row by a key means that row.
            if (chosen) {
                const target = chosen.querySelector('button.cat-candidate, .cat-pick input') || chosen;
                target.focus({preventScroll: true});
                chosen.scrollIntoView({block: 'nearest'});
            }
        }

        function goneTo(event) {
            const row = event.target.closest('tr.cat-row');
            if (row) {
                begun = true;
                mark(row);
            }
        }

        document.querySelectorAll('tr.cat-row').forEach(numbered);
        mark(rows()[0]);
        document.addEventListener('focusin', goneTo);
        document.addEventListener('pointerdown', goneTo);
        return {
            current, next: () => move(1), back: () => move(-1), skip: () => move(1), undo: () => undoForm.requestSubmit(),
        };
    }

    function hint(button, name) {
        const key = element('kbd', 'cat-key', name);
        key.setAttribute('aria-hidden', 'true');
        button.setAttribute('aria-keyshortcuts', name);
        button.prepend(key, ' ');
    }

    // Says which key does what.
    function numbered(card) {
        card.querySelectorAll('.cat-candidates > li').forEach((item, index) => {
            const button = item.querySelector('button[name=approve]');
            if (button && index < 3) {
                hint(button, String(index + 1));
            }
        });
        card.querySelectorAll('button[name=reject]').forEach((button) => hint(button, 'r'));
        card.querySelectorAll('.cat-pick input').forEach((input) => { input.placeholder += '  /'; });
        card.querySelectorAll('input[name=note]').forEach((input) => { input.placeholder += '  n'; });
    }

    function keys(queue) {
        const help = document.getElementById('cat-keys');
        const press = (selector) => queue.current()?.querySelector(selector)?.click();
        const focus = (selector) => queue.current()?.querySelector(selector)?.focus();
        const acts = {
            1: () => press('.cat-candidates > li:nth-child(1) button[name=approve]'),
            2: () => press('.cat-candidates > li:nth-child(2) button[name=approve]'),
            3: () => press('.cat-candidates > li:nth-child(3) button[name=approve]'),
            p: () => press('button.cat-parent'),
            r: () => press('button[name=reject]'),
            s: queue.skip,
            u: queue.undo,
            j: queue.next,
            k: queue.back,
            n: () => focus('input[name=note]'),
            '/': () => focus('.cat-pick input'),
            '?': () => help.showModal(),
        };
        document.addEventListener('keydown', (event) => {
            if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help.open) {
                return;
            }
            const typing = event.target.closest('input:not([type=checkbox]), textarea, select, [contenteditable]');
            if (typing) {
                if (event.key === 'Escape' && !event.defaultPrevented) {
                    typing.blur();
                    queue.current()?.focus({preventScroll: true});
                }
                return;
            }
            if (event.repeat && !['j', 'k'].includes(event.key)) {
                return; // A key held down must not decide a dozen products.
            }
            const act = acts[event.key];
            if (act) {
                event.preventDefault();
                act();
            }
        });
        document.querySelectorAll('.cat-help').forEach((button) => {
            button.hidden = false;
            button.addEventListener('click', () => help.showModal());
        });
    }

    document.addEventListener('DOMContentLoaded', () => {
        const page = document.getElementById('cat-review');
        if (document.getElementById('cat-keys')) {
            keys(page ? cardPage(page) : listPage());
        }
    });
}
