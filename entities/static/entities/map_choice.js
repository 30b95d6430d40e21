"use strict";

// The chosen type of the map: its parents and children around it, the rest faded, and lists of them beside it.
(() => {
    if (!globalThis.typeMap) return; // there is nothing on the map
    const { nodes, links, places, view, drawing, status, size: { width, height }, put, drawPath, centre, begin, lookAt } = typeMap;
    const frame = document.querySelector(".map-frame");
    const panel = document.querySelector(".map-chosen");
    Object.assign(typeMap, { choose, showChosen });

    function neighbours(code) {
        const own = links.filter(({ parent, child }) => parent !== child && (parent === code || child === code));
        return { parents: own.filter(({ child }) => child === code).map(({ parent }) => parent),
            children: own.filter(({ parent }) => parent === code).map(({ child }) => child) };
    }

    function choose(code) {
        release();
        typeMap.chosen = code;
        history.replaceState(null, "", `#${code}`);
        const around = neighbours(code);
        fillPanel(code, around);
        frame.classList.add("has-choice");
        panel.hidden = false;
        showChosen();
        lookAt();
        status.textContent = `${nodes.get(code).dataset.label}: ${around.parents.length} parents, ${around.children.length} children.`;
    }

    function showChosen() {
        const { parents, children } = neighbours(typeMap.chosen);
        const here = places.get(typeMap.chosen);
        const isUpright = view.clientWidth < 640;
        const near = MapLinks.placeAround(here, parents, children, { width, height, isUpright });
        for (const path of drawing.querySelectorAll(".is-near")) path.remove();
        for (const [code, place] of near) put(code, place);
        for (const [code, each] of nodes) each.parentElement.classList.toggle("is-near", code === typeMap.chosen || near.has(code));
        const side = isUpright ? height / 2 : width / 2;
        const end = ({ x, y }, towards) => (isUpright ? { x, y: y + towards * side } : { x: x + towards * side, y });
        for (const [kind, codes] of Object.entries({ "is-parent": parents, "is-child": children })) {
            for (const code of codes) {
                const place = near.get(code);
                const towards = Math.sign(isUpright ? here.y - place.y : here.x - place.x);
                const stops = [end(place, towards), end(here, -towards)];
                drawPath(MapLinks.curve(kind === "is-parent" ? stops : stops.reverse(), isUpright)).classList.add("is-near", kind);
            }
        }
        const all = [here, ...near.values()];
        const [left, right] = [Math.min(...all.map(({ x }) => x)) - width / 2, Math.max(...all.map(({ x }) => x)) + width / 2];
        const [upper, lower] = [Math.min(...all.map(({ y }) => y)) - height / 2, Math.max(...all.map(({ y }) => y)) + height / 2];
        const scale = Math.min(view.clientWidth / (right - left + 24), view.clientHeight / (lower - upper + 24), 1);
        centre({ x: (left + right) / 2, y: (upper + lower) / 2 }, scale);
    }

    function fillPanel(code, around) {
        const node = nodes.get(code);
        panel.querySelector("[data-chosen-name]").replaceChildren(...node.querySelectorAll(":scope > svg").values().map((svg) => svg.cloneNode(true)),
            node.dataset.label, " ", Object.assign(document.createElement("code"), { textContent: code }));
        for (const link of panel.querySelectorAll("[data-chosen-page]")) {
            const address = node.href.replace(/change\/$/, link.dataset.chosenPage);
            if (link.href !== undefined) link.href = address;
            else link.setAttribute("data-hx-get", address);
        }
        const hide = panel.querySelector("[data-hx-target]");
        if (hide) hide.hidden = node.classList.contains("is-inactive");
        if (hide) htmx.process(hide);
        for (const [kind, codes] of Object.entries(around)) {
            panel.querySelector(`[data-count=${kind}]`).textContent = codes.length;
            panel.querySelector(`[data-list=${kind}]`).replaceChildren(...codes.map((each) => {
                const { label } = nodes.get(each).dataset;
                const button = Object.assign(document.createElement("button"), { type: "button", textContent: label, className: "entity-button map-choose" });
                button.classList.toggle("is-inactive", nodes.get(each).classList.contains("is-inactive"));
                button.dataset.choose = each;
                const item = document.createElement("li");
                item.append(button);
                return item;
            }));
        }
    }

    /** Put everything back in its place. */
    function release() {
        if (typeMap.chosen === undefined) return;
        typeMap.chosen = undefined;
        for (const path of drawing.querySelectorAll(".is-near")) path.remove();
        for (const [code, place] of places) put(code, place);
        for (const each of nodes.values()) each.parentElement.classList.remove("is-near");
        frame.classList.remove("has-choice");
        panel.hidden = true;
        history.replaceState(null, "", location.pathname + location.search);
        lookAt();
    }

    document.addEventListener("click", (event) => {
        const code = event.target.closest("[data-choose]")?.dataset.choose ?? event.target.closest("[data-shows]")?.dataset.shows;
        if (event.target.closest("[data-release]")) {
            release();
            begin();
        } else if (code && nodes.has(code)) {
            event.preventDefault();
            choose(code);
            panel.querySelector("h2").focus();
        }
    });
    frame.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || typeMap.chosen === undefined) return;
        release();
        begin();
    });
})();
