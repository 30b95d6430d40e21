"use strict";

// Fills a field that two people changed with the one's or the other's value.
for (const choices of document.querySelectorAll("[data-conflict-field]")) {
    const field = document.querySelector(`#entity_form [name="${choices.dataset.conflictField}"]`);
    choices.hidden = !field;
    choices.addEventListener("click", (event) => {
        const taken = event.target.closest("[data-take]")?.dataset.take;
        if (!taken) return;
        if (field.type === "checkbox") field.checked = choices.dataset[taken] === "on";
        else field.value = choices.dataset[taken];
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.dispatchEvent(new CustomEvent("entity:filled", { bubbles: true }));
        choices.previousElementSibling.textContent = `Both changed it: ${taken}`;
    });
}
