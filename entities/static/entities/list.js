"use strict";

// The list of entity types: what it says when cache states can't be had, and rows moved by mouse or keyboard.
(() => {
    for (const problem of ["htmx:responseError", "htmx:sendError"]) {
        document.querySelector("[data-states]")?.addEventListener(problem, () => {
            for (const cell of document.querySelectorAll("[data-cache-code]")) cell.dataset.kind = cell.textContent = "unknown";
        });
    }
    const table = document.querySelector("#entity-list[data-may-reorder] ~ form #result_list");
    const save = document.querySelector('button[name="_save"][form="changelist-form"]');
    if (table && save) allowReordering(save.form);

    function allowReordering(form) {
        const order = () => new FormData(form).getAll("_order").join();
        const note = Object.assign(document.createElement("span"), { className: "entity-order-note", role: "status" });
        let changed = false;

        save.before(note);
        globalThis.sortRecords = () => noteOrder(); // Unfold would number the rows of this page from 0
        for (const row of table.tBodies) allowMovingByKey(row);
        form.addEventListener("submit", () => (changed = false));
        window.addEventListener("beforeunload", (event) => changed && event.preventDefault());

        function noteOrder(moved = "") {
            changed = order() !== form.elements._order_seen.value;
            document.body.classList.toggle("entity-order-changed", changed);
            note.textContent = changed ? `${moved} The new order waits to be saved.`.trim() : moved;
        }

        function allowMovingByKey(row) {
            const cell = row.querySelector("[x-sort\\:handle]");
            const label = row.querySelector(".entity-name").textContent;
            const handle = Object.assign(cell.firstElementChild, {
                tabIndex: 0, role: "button", title: "Drag, or use the arrow keys",
                ariaLabel: `Move ${label}: arrow up or arrow down`,
            });
            cell.dataset.label = "Move";
            handle.addEventListener("keydown", (event) => {
                const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
                if (!step) return;
                event.preventDefault();
                const rows = [...table.tBodies];
                const target = rows[rows.indexOf(row) + step];
                if (!target) return;
                if (step < 0) target.before(row);
                else target.after(row);
                noteOrder(`${label} is now at place ${rows.indexOf(target) + 1} of ${rows.length}.`);
                handle.focus();
            });
        }
    }
})();
