// Suggests categories while the text of a product is typed in its form. A click sets the form's category field;
// nothing is stored before the form is saved. Where no model answers, it says so once and stays silent.
"use strict";
{
  const PAUSE = 250;
  const LONGEST = 4000;

  function element(name, className, text = "") {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  }

  function attach(field) {
    const form = field.form;
    const inputs = Object.entries(JSON.parse(field.dataset.catFields))
      .map(([name, column]) => [name, form.elements.namedItem(column)])
      .filter(([, input]) => input && "value" in input && !input.readOnly && !input.disabled);
    const texts = inputs.filter(([, input]) => input.matches("textarea, input:not([type=hidden])"));
    if (!texts.length) return;

    const box = element("div", "cat-suggest");
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Suggested categories");
    const list = element("ol", "cat-candidates");
    const told = element("p", "cat-quiet cat-suggest-told");
    told.setAttribute("role", "status");
    told.setAttribute("aria-live", "polite");
    box.append(list, told);
    const first = texts[0][1];
    (first.closest(".form-row") ?? first).after(box);

    let typedIn = first;
    let silent = false;

    const buttons = () => [...list.querySelectorAll("button")];

    // Which of them the form has chosen, whoever chose it.
    function markChosen() {
      buttons().forEach((button) => button.setAttribute("aria-pressed", String(button.value === field.value)));
    }

    function accept(candidate) {
      const value = String(candidate.pk);
      if (field.options && ![...field.options].some((option) => option.value === value)) {
        field.append(new Option(candidate.path, value));
      }
      field.value = value;
      field.dispatchEvent(new Event("change", { bubbles: true }));
      told.textContent = `The category is set to ${candidate.path}. Save to keep it.`;
    }

    function row(candidate) {
      const button = element("button", "cat-candidate");
      button.type = "button";
      button.value = candidate.pk;
      button.setAttribute("aria-label", `Set the category to ${candidate.path}, ${candidate.percent} sure`);
      const levels = candidate.path.split(" > ");
      const where = element("span", "cat-path");
      const above = levels.slice(0, -1).map((name) => `${name} › `).join("");
      where.append(element("span", "", above), element("strong", "", levels.at(-1)));
      button.append(where, element("span", "cat-percent", candidate.percent));
      button.addEventListener("click", () => accept(candidate));
      const item = document.createElement("li");
      item.append(button);
      return item;
    }

    async function ask(signal) {
      const body = new FormData();
      body.append("csrfmiddlewaretoken", form.elements.namedItem("csrfmiddlewaretoken").value);
      if (field.dataset.catProduct) body.append("product", field.dataset.catProduct);
      inputs.forEach(([name, input]) => body.append(name, input.value.slice(0, LONGEST)));
      if (!texts.some(([, input]) => input.value.trim())) return { candidates: [] };
      const answer = await fetch(field.dataset.catSuggest, {
        method: "POST", body, signal, credentials: "same-origin", headers: { Accept: "application/json" },
      });
      if (answer.ok) return answer.json();
      if (answer.status === 503) return { error: (await answer.json()).error };
      throw new Error(String(answer.status));
    }

    // A category that was chosen for another title stays, far below: said here.
    function stays(candidates) {
      if (!field.value || candidates.some((candidate) => String(candidate.pk) === field.value)) return "";
      return ` The category is still ${field.selectedOptions?.[0]?.textContent ?? "the one that is chosen"}.`;
    }

    function show(answer, error) {
      const candidates = (!error && answer.candidates) || [];
      silent = Boolean(!error && answer.error);
      list.replaceChildren(...candidates.map(row));
      markChosen();
      if (silent) {
        told.textContent = answer.error;
      } else if (candidates.length) {
        const [best] = candidates;
        told.textContent = `Suggested: ${best.path}, ${best.percent} sure`
          + (candidates.length > 1 ? `, and ${candidates.length - 1} more. ` : ". ")
          + "Alt and the down arrow lead there; nothing is stored before you save." + stays(candidates);
      } else {
        told.textContent = "";
      }
    }

    const changed = window.categoriesAsking(PAUSE, ask, show);

    texts.forEach(([, input]) => {
      input.addEventListener("input", () => {
        typedIn = input;
        if (!silent) changed();
      });
      input.addEventListener("keydown", (event) => {
        if (event.altKey && event.key === "ArrowDown" && buttons().length) {
          event.preventDefault();
          buttons()[0].focus();
        }
      });
    });

    list.addEventListener("keydown", (event) => {
      const all = buttons();
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
      } else if (event.key === "Escape") {
        event.preventDefault();
        typedIn.focus();
      }
    });

    // The field's own search tells jQuery alone.
    const query = window.django?.jQuery;
    if (query) query(field).on("change", markChosen);
    else field.addEventListener("change", markChosen);
  }

  const start = () => document.querySelectorAll("[data-cat-suggest]").forEach(attach);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
}
