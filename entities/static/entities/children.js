"use strict";

// Draws a text field of codes as a list whose items can be added, removed and moved, by mouse and by keyboard.
for (const field of document.querySelectorAll("[data-children-field]")) {
    const text = field.querySelector("input");
    const types = JSON.parse(document.getElementById(field.dataset.childrenField).textContent);
    const labels = new Map(types.map(({ code, label }) => [code, label]));
    const list = element("ol", { className: "children-list" });
    const empty = element("p", { className: "children-field-hint", textContent: "No children yet." });
    const select = element("select", { className: `${text.className} children-select` });
    const add = element("button", { type: "button", className: "children-button", textContent: "Add" });
    const status = element("p", { className: "children-status", role: "status" });
    let codes = text.value.split(/[\s,]+/).filter(Boolean);

    select.setAttribute("aria-label", "Entity type to add as a child");
    select.addEventListener("keydown", (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault(); // else the form is saved
        addChosen();
    });
    add.addEventListener("click", addChosen);
    list.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) return;
        const index = codes.indexOf(button.closest("li").dataset.code);
        if (button.dataset.action === "remove") remove(index);
        else move(index, button.dataset.action);
    });

    field.querySelector("[data-without-scripts]").remove();
    text.type = "hidden";
    const adder = element("div", { className: "children-adder" });
    adder.append(select, add);
    field.append(empty, list, adder, status);
    draw();

    function addChosen() {
        if (!select.value) return select.focus();
        const code = select.value;
        change([...codes, code], `${name(code)} added, position ${codes.length + 1} of ${codes.length + 1}.`);
        select.focus();
    }

    function remove(index) {
        const code = codes[index];
        change(codes.toSpliced(index, 1), `${name(code)} removed.`);
        const next = list.children[Math.min(index, codes.length - 1)];
        (next ? next.querySelector('[data-action="remove"]') : select).focus();
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

    function change(changed, said) {
        codes = changed;
        text.value = codes.join(", ");
        text.dispatchEvent(new Event("input", { bubbles: true }));
        text.dispatchEvent(new Event("change", { bubbles: true }));
        draw();
        status.textContent = said;
    }

    function draw() {
        list.replaceChildren(...codes.map(drawItem));
        empty.hidden = codes.length > 0;
        const free = types.filter(({ code }) => !codes.includes(code));
        select.replaceChildren(
            element("option", { value: "", textContent: free.length ? "Choose an entity type" : "Every entity type is a child" }),
            ...free.map(({ code, label }) => element("option", { value: code, textContent: `${label} · ${code}` })),
        );
    }

    function drawItem(code, index) {
        const item = element("li", { className: labels.has(code) ? "children-item" : "children-item children-unknown" });
        item.dataset.code = code;
        const what = element("span", { className: "children-name", textContent: labels.get(code) ?? "Unknown" });
        what.append(" ", element("code", { textContent: code }));
        const buttons = element("span", { className: "children-buttons" });
        buttons.append(
            button("up", "arrow_upward", `Move ${name(code)} up`, index === 0),
            button("down", "arrow_downward", `Move ${name(code)} down`, index === codes.length - 1),
            button("remove", "close", `Remove ${name(code)}`, false),
        );
        item.append(what, buttons);
        return item;
    }

    function button(action, icon, label, disabled) {
        const made = element("button", { type: "button", className: "children-button", title: label, disabled });
        made.dataset.action = action;
        made.setAttribute("aria-label", label);
        made.append(element("span", { className: "material-symbols-outlined", textContent: icon, ariaHidden: "true" }));
        return made;
    }

    function name(code) {
        return labels.get(code) ?? code;
    }
}

function element(tag, properties) {
    return Object.assign(document.createElement(tag), properties);
}
