"use strict";

// Draws a text field of codes as a list: types are found by typing, and ordered by dragging and by buttons.
for (const field of document.querySelectorAll("[data-children-field]")) {
    const text = field.querySelector("input");
    const types = JSON.parse(document.getElementById(field.dataset.childrenField).textContent);
    const labels = new Map(types.map(({ code, label }) => [code, label]));
    const list = make("ol", { className: "flex flex-col gap-1.5 mb-2" });
    const empty = make("p", { className: "children-hint", textContent: "No children yet." });
    const search = make("input", {
        type: "text", className: `${text.className} children-search`, autocomplete: "off", spellcheck: false, placeholder: "Add a child: type a label or a code",
        role: "combobox", ariaLabel: "Entity type to add as a child", ariaAutoComplete: "list", ariaExpanded: "false",
    });
    const options = make("ul", { className: "children-options", role: "listbox", ariaLabel: "Entity types to add", id: `${text.id}_options`, hidden: true });
    const hint = make("p", { className: "children-hint", hidden: true });
    const status = make("p", { className: "entity-unseen children-status", role: "status" });
    const PAUSE_MS = 150;
    const INACTIVE = " (inactive)";
    let codes = split(text.value);
    let offered = [];
    let active = -1;
    let timer = 0;
    let asking = new AbortController();

    search.setAttribute("aria-controls", options.id);
    field.querySelector("[data-without-scripts]").remove();
    text.type = "hidden";
    const adder = make("div", { className: "relative" });
    adder.append(search, options, hint);
    field.append(empty, list, adder, status);
    draw();

    search.addEventListener("input", (event) => {
        event.stopPropagation(); // nothing of the form has changed yet
        clearTimeout(timer);
        timer = setTimeout(ask, PAUSE_MS);
    });
    search.addEventListener("change", (event) => event.stopPropagation());
    search.addEventListener("click", () => options.hidden && ask());
    search.addEventListener("blur", closeOptions);
    search.addEventListener("keydown", (event) => {
        const open = !options.hidden;
        if (event.key === "Enter") {
            event.preventDefault(); // else the form is saved
            if (open && offered[active]) add(offered[active]);
            else ask();
        } else if (event.key === "Escape" && open) {
            event.preventDefault();
            closeOptions();
        } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            if (!open) ask();
            else if (offered.length) point((active + (event.key === "ArrowDown" ? 1 : -1) + offered.length) % offered.length);
        }
    });
    options.addEventListener("mousedown", (event) => event.preventDefault()); // the search keeps the focus
    options.addEventListener("click", (event) => {
        const option = event.target.closest("[role=option]");
        if (option) add(offered[[...options.children].indexOf(option)]);
    });
    list.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) return;
        const index = codes.indexOf(button.closest("li").dataset.code);
        if (button.dataset.action === "remove") remove(index);
        else move(index, button.dataset.action);
    });
    list.addEventListener("pointerdown", startDragging);
    text.addEventListener("entity:filled", () => {
        codes = split(text.value);
        draw();
    });

    async function ask() {
        clearTimeout(timer);
        asking.abort();
        asking = new AbortController();
        const query = new URLSearchParams({ q: search.value, without: codes.join(",") });
        try {
            const answer = await fetch(`${field.dataset.childrenSearch}?${query}`, { redirect: "error", signal: asking.signal });
            if (!answer.ok) throw new Error(answer.statusText);
            const { types: found, more } = await answer.json();
            if (document.activeElement === search) offer(found, more);
        } catch (error) {
            if (error.name !== "AbortError") say("Entity types can't be searched now.");
        }
    }

    function offer(found, more) {
        offered = found.map(({ code, label, active: shown }) => ({ code, label: shown ? label : `${label}${INACTIVE}` }));
        options.replaceChildren(...offered.map(({ code, label }, index) => {
            const option = make("li", { className: "children-option", role: "option", id: `${options.id}_${index}`, ariaSelected: "false" });
            option.append(make("span", { textContent: label }), " ", make("code", { textContent: code }));
            return option;
        }));
        options.hidden = !offered.length;
        search.ariaExpanded = String(!options.hidden);
        say(offered.length ? (more ? "There are more: type on." : "") : "No other entity type has this in its label or code.");
        point(offered.length ? 0 : -1);
    }

    function point(index) {
        if (options.children[active]) options.children[active].ariaSelected = "false";
        active = index;
        const option = options.children[index];
        if (!option) return search.removeAttribute("aria-activedescendant");
        option.ariaSelected = "true";
        option.scrollIntoView({ block: "nearest" });
        search.setAttribute("aria-activedescendant", option.id);
    }

    function closeOptions() {
        clearTimeout(timer);
        asking.abort();
        options.hidden = true;
        say("");
        search.ariaExpanded = "false";
        point(-1);
    }

    function say(what) {
        hint.textContent = what;
        hint.hidden = !what;
    }

    function add({ code, label }) {
        labels.set(code, label);
        search.value = "";
        closeOptions();
        change([...codes, code], `${label} added, position ${codes.length + 1} of ${codes.length + 1}.`);
        search.focus();
    }

    function remove(index) {
        const code = codes[index];
        change(codes.toSpliced(index, 1), `${name(code)} removed.`);
        const next = list.children[Math.min(index, codes.length - 1)];
        (next ? next.querySelector('[data-action="remove"]') : search).focus();
    }

    function move(index, action) {
        const target = action === "up" ? index - 1 : index + 1;
        if (target < 0 || target >= codes.length) return;
        const code = codes[index];
        const moved = codes.toSpliced(index, 1).toSpliced(target, 0, code);
        change(moved, `${name(code)} is now at position ${target + 1} of ${codes.length}.`);
        const item = list.children[target];
        (item.querySelector(`[data-action="${action}"]:enabled`) ?? item.querySelector("button:enabled")).focus();
    }

    function startDragging(event) {
        const item = event.target.closest("[data-drag]")?.closest("li");
        if (!item || event.button !== 0) return;
        event.preventDefault();
        const dragging = new AbortController();
        item.classList.add("children-dragged");
        const listen = (target, type, listener) => target.addEventListener(type, listener, { signal: dragging.signal });
        // The others make way: an element that is moved itself would lose the pointer.
        listen(document, "pointermove", ({ clientY }) => {
            const before = item.previousElementSibling;
            const after = item.nextElementSibling;
            if (before && clientY < middle(before)) item.after(before);
            else if (after && clientY > middle(after)) item.before(after);
        });
        listen(document, "pointerup", () => end(true));
        listen(document, "pointercancel", () => end(false));
        listen(document, "keydown", ({ key }) => key === "Escape" && end(false));

        function end(dropped) {
            dragging.abort();
            const ordered = [...list.children].map((each) => each.dataset.code);
            const code = item.dataset.code;
            if (!dropped || ordered.join() === codes.join()) return draw();
            change(ordered, `${name(code)} is now at position ${ordered.indexOf(code) + 1} of ${codes.length}.`);
        }
    }

    function middle(item) {
        const { top, height } = item.getBoundingClientRect();
        return top + height / 2;
    }

    function change(changed, said) {
        codes = changed;
        text.value = codes.join(", ");
        text.dispatchEvent(new Event("input", { bubbles: true }));
        draw();
        status.textContent = said;
    }

    function draw() {
        list.replaceChildren(...codes.map(drawItem));
        empty.hidden = codes.length > 0;
    }

    function drawItem(code, index) {
        const look = labels.has(code) ? (labels.get(code).endsWith(INACTIVE) ? "children-inactive" : "") : "children-unknown";
        const item = make("li", { className: `children-item ${look}`.trim() });
        item.dataset.code = code;
        const handle = make("span", { className: "material-symbols-outlined children-handle", textContent: "drag_indicator", ariaHidden: "true", title: "Drag to reorder" });
        handle.dataset.drag = "";
        const what = make("span", { className: "children-name", textContent: labels.get(code) ?? "Unknown" });
        what.append(" ", make("code", { textContent: code }));
        const buttons = make("span", { className: "flex shrink-0" });
        buttons.append(
            button("up", "arrow_upward", `Move ${name(code)} up`, index === 0),
            button("down", "arrow_downward", `Move ${name(code)} down`, index === codes.length - 1),
            button("remove", "close", `Remove ${name(code)}`, false),
        );
        item.append(handle, what, buttons);
        return item;
    }

    function button(action, icon, label, disabled) {
        const made = make("button", { type: "button", className: "children-button", title: label, ariaLabel: label, disabled });
        made.dataset.action = action;
        made.append(make("span", { className: "material-symbols-outlined", textContent: icon, ariaHidden: "true" }));
        return made;
    }

    function name(code) {
        return labels.get(code) ?? code;
    }
}

function split(text) {
    return text.split(/[\s,]+/).filter(Boolean);
}

function make(tag, properties) {
    return Object.assign(document.createElement(tag), properties);
}
