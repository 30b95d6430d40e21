"use strict";

// The list of entity types: current cache states, the active switch, and rows moved by mouse or keyboard.
(() => {
    const page = document.getElementById("entity-list");
    if (!page) return;

    const errorNote = document.getElementById("entity-list-error");
    setInterval(countDown, 1000);
    document.addEventListener("htmx:beforeRequest", ({ target }) => target.dataset.switch && (errorNote.hidden = true));
    for (const problem of ["htmx:responseError", "htmx:sendError"]) document.addEventListener(problem, tellProblem);
    if (page.hasAttribute("data-may-reorder")) allowReordering();
    else document.body.classList.add("entity-list-fixed");

    // --- Cache states and the active switch: what htmx does not do ---

    function countDown() {
        for (const left of document.querySelectorAll("[data-cache-code] b:not(:empty)")) {
            left.textContent = `${Math.max(0, parseInt(left.textContent, 10) - 1)} s`;
        }
    }

    function tellProblem({ detail }) {
        if (detail.elt.hasAttribute("data-states")) return showUnknown();
        const code = detail.requestConfig.verb === "post" ? detail.elt.dataset.switch : undefined;
        if (!code) return; // hiding a type is confirmed in a dialog
        const said = detail.xhr.getResponseHeader("Content-Type")?.startsWith("text/plain") ? detail.xhr.responseText
            : "The server did not save it. Reload the page, then try again.";
        const reason = detail.xhr.status < 400 ? "The server can't be reached, or you are logged out." : said;
        errorNote.textContent = `${code} was not activated: ${reason}`;
        errorNote.hidden = false;
    }

    function showUnknown() {
        for (const cell of document.querySelectorAll("[data-cache-code]")) {
            cell.dataset.kind = cell.querySelector("span").textContent = "unknown";
            cell.querySelector("b").textContent = "";
        }
    }

    // --- Order ---

    function allowReordering() {
        const table = document.getElementById("result_list");
        const form = document.getElementById("changelist-form");
        const save = document.querySelector('button[name="_save"][form="changelist-form"]');
        if (!table || !save) return;
        const atFirst = codes().join();
        const [order, seen] = ["_order", "_order_seen"].map((name) =>
            Object.assign(document.createElement("input"), { type: "hidden", name, value: atFirst, disabled: true }));
        form.append(order, seen);
        const note = Object.assign(document.createElement("span"), { className: "entity-order-note", role: "status" });
        save.before(note);
        let saving = false;

        globalThis.sortRecords = noteOrder; // Unfold would number the rows of this page from 0
        table.querySelectorAll("[x-sort\\:handle]").forEach((cell) => {
            const handle = cell.firstElementChild;
            const label = cell.closest("tr").querySelector(".entity-name")?.textContent ?? "row";
            cell.dataset.label = "Move";
            handle.tabIndex = 0;
            handle.role = "button";
            handle.ariaLabel = `Move ${label}: arrow up or arrow down`;
            handle.title = "Drag, or use the arrow keys";
            handle.addEventListener("keydown", (event) => moveByKey(event, cell.closest("tbody"), label));
        });
        form.addEventListener("submit", () => (saving = true));
        window.addEventListener("beforeunload", (event) => {
            if (!order.disabled && !saving) event.preventDefault();
        });

        function codes() {
            return [...table.querySelectorAll("[data-switch]")].map((control) => control.dataset.switch);
        }

        function noteOrder() {
            const now = codes().join();
            order.value = now;
            order.disabled = seen.disabled = now === atFirst;
            document.body.classList.toggle("entity-order-changed", !order.disabled);
            note.textContent = order.disabled ? "" : "The new order waits to be saved.";
        }

        function moveByKey(event, row, label) {
            const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
            if (!step) return;
            event.preventDefault();
            const rows = [...table.tBodies];
            const target = rows[rows.indexOf(row) + step];
            if (!target) return;
            if (step < 0) target.before(row);
            else target.after(row);
            noteOrder();
            note.textContent = `${label} is now at place ${rows.indexOf(target) + 1} of ${rows.length}. ${note.textContent}`;
            event.target.focus();
        }
    }
})();
