"use strict";

// A dialog to search all icons by name and by what they stand for, as Lucide's tags say. They are fetched when it is
// first opened; typing a name goes on working.
for (const field of document.querySelectorAll("[data-icon-field]")) {
    const text = field.querySelector("input");
    const drawing = field.querySelector(".icon-field-drawing");
    const open = field.querySelector("[data-icon-open]");
    const AT_ONCE = 240;
    let icons = null; // name to what is inside its <svg>
    let former = {}; // name that an icon had to the one it has
    let names = {}; // name to this and former names, in lower case, with a space before each word
    let tags = {}; // name to what it stands for, with a space before each word
    let found = [];
    let active = -1;

    const dialog = make("dialog", { className: "entity-dialog icon-dialog", ariaLabel: "Choose an icon" });
    const title = make("h2", { className: "font-semibold text-base text-important", textContent: "Choose an icon" });
    const close = make("button", { type: "button", className: "entity-button", textContent: "Close" });
    const search = make("input", {
        type: "search", className: "entity-input shrink-0", placeholder: "Search by name or meaning: money, person, time", autocomplete: "off", spellcheck: false,
        role: "combobox", ariaLabel: "Search icons", ariaAutoComplete: "list", ariaExpanded: "true",
    });
    const count = make("p", { className: "icon-count", role: "status" });
    const grid = make("div", { className: "icon-grid", role: "listbox", id: `${text.id}_icons`, ariaLabel: "Icons", tabIndex: 0 });
    const head = make("div", { className: "flex items-center justify-between" });
    head.append(title, close);
    dialog.append(head, search, count, grid);
    search.setAttribute("aria-controls", grid.id);
    document.body.append(dialog);
    open.hidden = false;

    open.addEventListener("click", async () => {
        search.value = "";
        count.textContent = "Loading…";
        dialog.showModal();
        search.focus();
        if (!await load()) return;
        if (!text.value && !search.value) suggest();
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
    for (const place of [search, grid]) place.addEventListener("keydown", onKey);
    grid.addEventListener("click", (event) => {
        const option = event.target.closest("[role=option]");
        if (option) choose(option.title);
    });
    grid.addEventListener("scroll", () => {
        if (grid.scrollTop + 2 * grid.clientHeight > grid.scrollHeight) drawMore(grid.children.length + AT_ONCE);
    });
    text.addEventListener("input", showTyped);
    text.addEventListener("entity:filled", showTyped);

    function onKey(event) {
        if (event.key === "Enter" || event.key === "Escape") { // which would only empty the search
            event.preventDefault();
            if (event.key === "Escape") dialog.close();
            else if (found[active]) choose(found[active]);
            return;
        }
        const page = columns() * Math.max(1, Math.floor(grid.clientHeight / (grid.firstElementChild?.offsetHeight || 1)) - 1);
        const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns(), PageDown: page, PageUp: -page };
        if (event.target === grid) Object.assign(steps, { Home: -found.length, End: found.length });
        const step = steps[event.key];
        if (!step || !found.length || (active < 0 && event.key === "ArrowLeft")) return;
        event.preventDefault();
        point(active < 0 ? 0 : Math.max(0, Math.min(found.length - 1, active + step)));
    }

    /** Begin with what the label says, where that finds something: typing replaces it. */
    function suggest() {
        const label = document.getElementById("id_label")?.value.trim().toLowerCase() ?? "";
        const word = [label, ...label.split(/\s+/).reverse()].find((each) => each && matches(each).length);
        if (!word) return;
        search.value = word;
        search.select();
    }

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
            ({ icons, tags, former } = await answer.json());
            const spaced = (name) => ` ${name.replace(/(?<=[a-z])(?=[A-Z0-9])/g, " ").toLowerCase()} ${name.toLowerCase()}`;
            names = Object.fromEntries(Object.keys(icons).map((name) => [name, spaced(name)]));
            for (const [was, is] of Object.entries(former)) names[is] += spaced(was);
            for (const [name, words] of Object.entries(tags)) tags[name] = ` ${words} `;
        } catch {
            count.textContent = "The icons can't be loaded now. Close this and type the icon's name.";
        }
        return icons !== null;
    }

    function draw() {
        found = matches(search.value);
        count.textContent = found.length === 1 ? "1 icon" : `${found.length || "No"} icons`;
        grid.replaceChildren();
        grid.scrollTop = 0;
        drawMore(AT_ONCE);
    }

    /** All that have each word in name or tags, the nearest first, of those the plainest. */
    function matches(wanted) {
        const words = wanted.toLowerCase().split(/[\s-]+/).filter(Boolean);
        const rank = (name, word) => [names[name].includes(` ${word} `) || names[name].endsWith(` ${word}`), tags[name].includes(` ${word} `),
            names[name].includes(` ${word}`), tags[name].includes(` ${word}`), names[name].includes(word), true].indexOf(true);
        const ranked = Object.keys(icons).map((name) => [name, words.map((word) => rank(name, word))]);
        const sum = (ranks) => ranks.reduce((one, other) => one + other, 0);
        const hits = ranked.filter(([, ranks]) => ranks.every((each) => each < 5));
        if (words.length) hits.sort(([one, a], [other, b]) => sum(a) - sum(b) || one.length - other.length);
        return hits.map(([name]) => name);
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
        if (grid.children[active]) grid.children[active].ariaSelected = "false";
        active = index;
        if (index < 0) return [search, grid].forEach((place) => place.removeAttribute("aria-activedescendant"));
        drawMore(index + AT_ONCE);
        const option = grid.children[index];
        option.ariaSelected = "true";
        option.scrollIntoView({ block: "nearest" });
        for (const place of [search, grid]) place.setAttribute("aria-activedescendant", option.id);
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
        return Object.assign(document.createElement(tag), properties);
    }
}
