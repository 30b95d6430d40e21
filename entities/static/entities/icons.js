"use strict";

// A dialog to search all icons, which are fetched when it is first opened; typing a name goes on working.
for (const field of document.querySelectorAll("[data-icon-field]")) {
    const text = field.querySelector("input");
    const drawing = field.querySelector(".icon-field-drawing");
    const open = field.querySelector("[data-icon-open]");
    const AT_ONCE = 240;
    let icons = null; // name to what is inside its <svg>
    let former = {}; // name that an icon had to the one it has
    let spellings = {}; // name to all that it is found by, in lower case
    let found = [];
    let active = -1;

    const dialog = make("dialog", { className: "icon-dialog" });
    const title = make("h2", { className: "icon-dialog-title", id: `${text.id}_title`, textContent: "Choose an icon" });
    const close = make("button", { type: "button", className: "entity-button", textContent: "Close" });
    const search = make("input", { type: "search", className: "icon-search", placeholder: "Search, for example: arrow left", autocomplete: "off", spellcheck: false });
    const count = make("p", { className: "icon-count", role: "status" });
    const grid = make("div", { className: "icon-grid", role: "listbox", id: `${text.id}_icons`, ariaLabel: "Icons" });
    const head = make("div", { className: "icon-dialog-head" });
    head.append(title, close);
    dialog.append(head, search, count, grid);
    dialog.setAttribute("aria-labelledby", title.id);
    const attributes = { role: "combobox", "aria-expanded": "true", "aria-controls": grid.id, "aria-autocomplete": "list", "aria-label": "Search icons" };
    for (const [name, value] of Object.entries(attributes)) search.setAttribute(name, value);
    document.body.append(dialog);
    open.hidden = false;

    open.addEventListener("click", async () => {
        search.value = "";
        count.textContent = "Loading…";
        dialog.showModal();
        search.focus();
        if (!await load()) return;
        draw();
        point(search.value.trim() ? Math.min(0, found.length - 1) : found.indexOf(exported(text.value).find((name) => Object.hasOwn(icons, name))));
    });
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
    search.addEventListener("input", () => {
        if (!icons) return;
        draw();
        point(found.length && search.value.trim() ? 0 : -1);
    });
    search.addEventListener("keydown", (event) => {
        if (event.key === "Enter") {
            event.preventDefault();
            if (found[active]) choose(found[active]);
            return;
        }
        if (event.key === "Escape") {
            event.preventDefault(); // else it would only empty the search
            dialog.close();
            return;
        }
        const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
        const step = steps[event.key];
        if (!step || !found.length || (active < 0 && event.key === "ArrowLeft")) return;
        event.preventDefault();
        point(active < 0 ? 0 : Math.max(0, Math.min(found.length - 1, active + step)));
    });
    grid.addEventListener("click", (event) => {
        const option = event.target.closest("[role=option]");
        if (option) choose(option.title);
    });
    grid.addEventListener("scroll", () => {
        if (grid.scrollTop + 2 * grid.clientHeight > grid.scrollHeight) drawMore(grid.children.length + AT_ONCE);
    });
    text.addEventListener("input", showTyped);
    text.addEventListener("entity:filled", showTyped);

    async function showTyped() {
        drawing.replaceChildren();
        if (await load()) showDrawing();
    }

    function showDrawing() {
        const name = text.value.trim();
        const asComponent = name.toLowerCase().split("-").map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");
        const known = [name, asComponent].flatMap(exported).find((each) => Object.hasOwn(icons, each));
        drawing.replaceChildren(...(known ? [svg(known, 22)] : []));
    }

    function exported(name) { // as Lucide exports icons, also under former names
        return [name, name.replace(/Icon$/, ""), name.replace(/^Lucide/, "")].map((each) => Object.hasOwn(former, each) ? former[each] : each);
    }

    async function load() {
        if (icons) return true;
        try {
            const answer = await fetch(field.dataset.iconField, { redirect: "error" });
            if (!answer.ok) throw new Error(answer.statusText);
            ({ icons, former } = await answer.json());
            spellings = Object.fromEntries(Object.keys(icons).map((name) => [name, name.toLowerCase()]));
            for (const [was, is] of Object.entries(former)) spellings[is] += ` ${was.toLowerCase()}`;
        } catch {
            count.textContent = "The icons can't be loaded now. Close this and type the icon's name.";
        }
        return icons !== null;
    }

    function draw() {
        const words = search.value.toLowerCase().split(/[\s-]+/).filter(Boolean);
        found = Object.keys(icons).filter((name) => words.every((word) => spellings[name].includes(word)));
        count.textContent = found.length === 1 ? "1 icon" : `${found.length || "No"} icons`;
        grid.replaceChildren();
        grid.scrollTop = 0;
        drawMore(AT_ONCE);
    }

    function drawMore(wanted) {
        const more = found.slice(grid.children.length, wanted);
        const start = grid.children.length;
        grid.append(...more.map((name, index) => {
            const option = make("div", { className: "icon-option", role: "option", id: `${grid.id}_${start + index}`, title: name, ariaLabel: name, ariaSelected: "false" });
            option.append(svg(name, 24), make("span", { className: "icon-option-name", textContent: name }));
            return option;
        }));
    }

    function point(index) {
        grid.children[active]?.setAttribute("aria-selected", "false");
        active = index;
        if (index < 0) return search.removeAttribute("aria-activedescendant");
        drawMore(index + AT_ONCE);
        const option = grid.children[index];
        option.setAttribute("aria-selected", "true");
        option.scrollIntoView({ block: "nearest" });
        search.setAttribute("aria-activedescendant", option.id);
    }

    function columns() {
        return getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    }

    function choose(name) {
        text.value = name;
        showDrawing();
        text.dispatchEvent(new Event("input", { bubbles: true }));
        dialog.close();
    }

    function svg(name, size) {
        const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        const as = { viewBox: "0 0 24 24", width: size, height: size, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" };
        for (const [attribute, value] of Object.entries(as)) made.setAttribute(attribute, value);
        made.innerHTML = icons[name]; // Lucide's own drawing, from this server
        return made;
    }

    function make(tag, properties) {
        const made = document.createElement(tag);
        for (const [name, value] of Object.entries(properties)) made[name] = value;
        if (properties.role) made.setAttribute("role", properties.role);
        return made;
    }
}
