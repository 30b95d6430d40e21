"use strict";

// The list of entity types: cache states that stay true, the active switch, and rows moved by mouse or keyboard.
(() => {
    const page = document.getElementById("entity-list");
    if (!page) return;

    const REFRESH_MS = 3000;
    const CODES_A_REQUEST = 100;
    const cells = new Map([...document.querySelectorAll("[data-cache-code]")].map((cell) => [cell.dataset.cacheCode, cell]));
    const cacheNote = document.getElementById("entity-cache-note");
    const errorNote = document.getElementById("entity-list-error");

    keepStatesTrue();
    document.addEventListener("htmx:beforeRequest", () => (errorNote.hidden = true));
    for (const problem of ["htmx:responseError", "htmx:sendError"]) document.addEventListener(problem, tellRefused);
    if (page.hasAttribute("data-may-reorder")) allowReordering();
    else document.body.classList.add("entity-list-fixed");

    // --- Cache states ---

    function keepStatesTrue() {
        const readAt = new Map();
        for (const [code, cell] of cells) noteSeconds(code, parseInt(cell.querySelector("b").textContent, 10));
        setInterval(countDown, 1000);
        let timer = setTimeout(refresh, REFRESH_MS);
        document.addEventListener("visibilitychange", () => {
            clearTimeout(timer);
            if (!document.hidden) refresh();
        });

        async function refresh() {
            try {
                const codes = [...cells.keys()];
                for (let start = 0; start < codes.length; start += CODES_A_REQUEST) {
                    await refreshSome(codes.slice(start, start + CODES_A_REQUEST));
                }
            } catch {
                show(Object.fromEntries([...cells.keys()].map((code) => [code, { kind: "unknown" }])));
            }
            clearTimeout(timer);
            if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
        }

        async function refreshSome(codes) {
            const answer = await fetch(`${page.dataset.statesUrl}?codes=${codes.join()}`, { redirect: "error" });
            if (!answer.ok) throw new Error(answer.statusText);
            show((await answer.json()).states);
            cacheNote.hidden = !document.querySelector('[data-cache-code][data-kind="unknown"]');
        }

        function show(states) {
            for (const [code, state] of Object.entries(states)) {
                const cell = cells.get(code);
                cell.dataset.kind = state.kind;
                cell.querySelector("span").textContent = state.kind;
                cell.title = state.payload_bytes ? `${state.payload_bytes} bytes` : "";
                noteSeconds(code, state.ttl_seconds);
            }
            countDown();
        }

        function noteSeconds(code, seconds) {
            if (Number.isInteger(seconds)) readAt.set(code, Date.now() + seconds * 1000);
            else readAt.delete(code);
        }

        function countDown() {
            for (const [code, cell] of cells) {
                const seconds = readAt.has(code) ? Math.max(0, Math.ceil((readAt.get(code) - Date.now()) / 1000)) : null;
                const text = seconds === null ? "" : `${seconds} s`;
                const left = cell.querySelector("b");
                if (left.textContent !== text) left.textContent = text;
            }
        }
    }

    // --- The active switch: what htmx could not do ---

    function tellRefused({ detail }) {
        const code = detail.requestConfig.verb === "post" ? detail.elt.dataset.switch : undefined;
        if (!code) return; // to hide it is asked in a dialog
        const said = detail.xhr.getResponseHeader("Content-Type")?.startsWith("text/plain") ? detail.xhr.responseText
            : "The server did not save it. Reload the page, then try again.";
        const reason = detail.xhr.status < 400 ? "The server can't be reached, or you are logged out." : said;
        errorNote.textContent = `${code} was not activated: ${reason}`;
        errorNote.hidden = false;
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
