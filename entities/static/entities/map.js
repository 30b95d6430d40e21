"use strict";

// The map of entity types: dagre places them, Panzoom moves the whole, and this draws the links between them.
// map_choice.js handles the chosen type.
(() => {
    const WIDTH = 174;
    const HEIGHT = 46;
    const GAP = 14;
    const READABLE = 0.75;
    const STEP = 80;

    const view = document.querySelector(".map-view");
    const canvas = view.querySelector(".map-canvas");
    const drawing = view.querySelector(".map-links");
    const status = document.querySelector(".map-status");
    const search = document.getElementById("map-around");
    const nodes = new Map([...view.querySelectorAll(".map-node")].map((node) => [node.dataset.code, node]));
    const links = [...nodes].flatMap(([code, node]) =>
        node.dataset.children.split(" ").filter((child) => nodes.has(child)).map((child) => ({ parent: code, child, path: null })));
    MapLinks.markImplied(links);
    const places = new Map(); // the middle of each node
    const columns = new Set(); // the horizontal middles of linked nodes
    if (!nodes.size) return;

    /** Place every node, parents left of their children and orphans below; returns the extent. */
    function layOut() {
        const graph = new dagre.graphlib.Graph();
        graph.setGraph({ rankdir: "LR", ranker: "tight-tree", acyclicer: "greedy", nodesep: 10, ranksep: 34, edgesep: 6,
            marginx: 20, marginy: 24 });
        const linked = new Set(links.filter(({ parent, child }) => parent !== child)
            .flatMap(({ parent, child }) => [parent, child]));
        for (const code of linked) graph.setNode(code, { width: WIDTH, height: HEIGHT });
        for (const { parent, child, isImplied } of links) if (parent !== child && !isImplied) graph.setEdge(parent, child, {});
        let { top, width, height } = { top: 0, width: 0, height: 20 };
        if (linked.size) {
            dagre.layout(graph);
            ({ width, height } = graph.graph());
            const bends = graph.edges().flatMap((edge) => graph.edge(edge).points.map(({ y }) => y));
            top = Math.min(top, ...bends.map((y) => y - 20)); // dagre's size has the nodes, not the links around them
            height = Math.max(height, ...bends.map((y) => y + 20));
        }
        for (const code of linked) {
            places.set(code, graph.node(code));
            columns.add(Math.round(graph.node(code).x));
        }

        const orphans = [...nodes.keys()].filter((code) => !linked.has(code));
        const across = Math.max(Math.floor((width - 40) / (WIDTH + GAP)), Math.ceil(Math.sqrt(orphans.length)), 1);
        orphans.forEach((code, index) => places.set(code, {
            x: 20 + WIDTH / 2 + (index % across) * (WIDTH + GAP),
            y: height + HEIGHT / 2 + Math.floor(index / across) * (HEIGHT + 2 * GAP),
        }));
        if (orphans.length) {
            width = Math.max(width, 40 + Math.min(orphans.length, across) * (WIDTH + GAP) - GAP);
            height += Math.ceil(orphans.length / across) * (HEIGHT + 2 * GAP);
        }
        for (const link of links) drawLink(link, link.isImplied || link.parent === link.child ? [] : graph.edge(link.parent, link.child).points);
        for (const [code, place] of places) put(code, place);
        return { top, width, height };
    }

    function put(code, { x, y }) {
        nodes.get(code).parentElement.style.transform = `translate(${x - WIDTH / 2}px, ${y - HEIGHT / 2}px)`;
    }

    /** From side to side through dagre's points: straight past other nodes, curved between them; dashed if it runs back. */
    function drawLink(link, points) {
        const from = places.get(link.parent);
        const to = places.get(link.child);
        const back = to.x <= from.x;
        const side = back ? -WIDTH / 2 : WIDTH / 2;
        let course;
        if (link.parent === link.child) {
            course = `M${from.x + WIDTH / 2 - 34} ${from.y - HEIGHT / 2}c0 -18 26 -18 26 0`;
        } else {
            const passed = points.slice(1, -1).filter(({ x }) => columns.has(Math.round(x)));
            const stops = [{ x: from.x + side, y: from.y },
                ...passed.flatMap(({ x, y }) => [{ x: x - side, y }, { x: x + side, y }]), { x: to.x - side, y: to.y }];
            course = MapLinks.curve(stops);
        }
        link.path = drawPath(course);
        link.path.classList.toggle("is-back", back);
        link.path.classList.toggle("is-implied", Boolean(link.isImplied));
    }

    function drawPath(course) {
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        path.setAttribute("d", course);
        path.setAttribute("marker-end", "url(#map-arrow)");
        drawing.append(path);
        return path;
    }

    globalThis.typeMap = { nodes, links, places, view, drawing, status, size: { width: WIDTH, height: HEIGHT }, put, drawPath, centre, begin, lookAt };
    view.classList.add("is-drawn");
    const size = layOut();
    for (const element of [canvas, drawing]) {
        element.style.width = `${size.width}px`;
        element.style.height = `${size.height}px`;
    }

    // --- Moving: Panzoom's pan is in the canvas's own units, from its middle ---

    const panzoom = Panzoom(canvas, { canvas: true, cursor: "grab", overflow: "clip", minScale: 0.05, maxScale: 2.5 });
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;

    function centre({ x, y }, scale, animate = smooth) {
        panzoom.zoom(scale, { animate });
        panzoom.pan((view.clientWidth - size.width) / 2 / scale + size.width / 2 - x,
            (view.clientHeight - size.height) / 2 / scale + size.height / 2 - y, { animate });
    }

    function showAll(animate = smooth) {
        centre({ x: size.width / 2, y: (size.top + size.height) / 2 }, wholeScale(), animate);
    }

    function wholeScale() {
        return Math.min(view.clientWidth / size.width, view.clientHeight / (size.height - size.top), 1);
    }

    function showNode(code) {
        centre(places.get(code), Math.max(panzoom.getScale(), READABLE));
    }

    function zoom(factor) {
        const { left, top } = view.getBoundingClientRect();
        panzoom.zoomToPoint(panzoom.getScale() * factor,
            { clientX: left + view.clientWidth / 2, clientY: top + view.clientHeight / 2 });
    }

    function move(x, y) {
        panzoom.pan(x / panzoom.getScale(), y / panzoom.getScale(), { relative: true, animate: smooth });
    }

    const keys = {
        "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: () => showAll(),
        ArrowLeft: () => move(STEP, 0), ArrowRight: () => move(-STEP, 0),
        ArrowUp: () => move(0, STEP), ArrowDown: () => move(0, -STEP),
    };
    view.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
        event.preventDefault();
        keys[event.key]();
    });
    view.addEventListener("wheel", panzoom.zoomWithWheel, { passive: false });
    const buttons = { in: keys["+"], out: keys["-"], all: keys[0] };
    for (const button of document.querySelectorAll("[data-map]")) {
        button.addEventListener("click", buttons[button.dataset.map]);
    }
    document.querySelector(".map-zoom").hidden = false;

    let pressed = null; // where the pointer went down: a click after a drag opens nothing
    view.addEventListener("pointerdown", (event) => { pressed = [event.clientX, event.clientY]; }, true);
    view.addEventListener("click", (event) => {
        const code = event.target.closest(".map-node")?.dataset.code;
        if (event.detail && pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 5) {
            event.preventDefault();
        } else if (code && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
            event.preventDefault();
            typeMap.choose(code);
        }
    }, true);

    // --- Looking at one: its parents and children stand out ---

    function lookAt(hovered) {
        const code = typeMap.chosen ?? hovered;
        view.classList.toggle("has-focus", code !== undefined);
        for (const element of [...nodes.values(), ...links.map(({ path }) => path)]) {
            element.classList.remove("is-here", "is-parent", "is-child");
        }
        if (code === undefined) return;
        for (const { parent, child, path } of links) {
            if (parent === code) for (const each of [nodes.get(child), path]) each.classList.add("is-child");
            if (child === code) for (const each of [nodes.get(parent), path]) each.classList.add("is-parent");
        }
        nodes.get(code).classList.add("is-here");
    }

    function codeOf(target) {
        const code = target.closest?.(".map-node")?.dataset.code ?? target.closest?.("[data-shows]")?.dataset.shows;
        return nodes.has(code) ? code : undefined;
    }

    const focused = () => codeOf(document.activeElement);
    for (const place of [view, document.getElementById("map-findings")]) {
        place.addEventListener("pointerover", (event) => lookAt(codeOf(event.target) ?? focused()));
        place.addEventListener("pointerleave", () => lookAt(focused()));
        place.addEventListener("focusin", () => lookAt(focused()));
        place.addEventListener("focusout", (event) => { if (!event.relatedTarget) lookAt(); });
    }
    view.addEventListener("focusin", (event) => {
        const code = codeOf(event.target);
        if (!code) return;
        const outer = view.getBoundingClientRect();
        const inner = event.target.getBoundingClientRect();
        if (inner.left < outer.left || inner.right > outer.right || inner.top < outer.top || inner.bottom > outer.bottom) {
            showNode(code);
        }
    });

    // --- Finding one ---

    function matches() {
        const wanted = search.value.trim().normalize("NFC").toLowerCase();
        if (!wanted) return [];
        const rank = ({ code, label }) => [code, label.toLowerCase()].includes(wanted) ? 0
            : code.startsWith(wanted) || label.toLowerCase().startsWith(wanted) ? 1 : 2;
        return [...nodes.values()].map((node) => node.dataset)
            .filter(({ code, label }) => code.includes(wanted) || label.toLowerCase().includes(wanted))
            .sort((one, other) => rank(one) - rank(other)).map(({ code }) => code);
    }

    search.addEventListener("input", () => {
        const found = matches();
        for (const [code, node] of nodes) node.classList.toggle("is-match", found.includes(code));
        status.textContent = search.value.trim() ? `${found.length} found. Enter goes to the first.` : "";
    });
    search.form.addEventListener("submit", (event) => {
        const [code] = matches();
        if (!code) return; // the server searches those that are not drawn, or says that there is none
        event.preventDefault();
        for (const node of nodes.values()) node.classList.remove("is-match");
        nodes.get(code).focus({ preventScroll: true });
        typeMap.choose(code);
    });

    // --- The first view: all of it, or, where that would be too small to read, its beginning ---

    const first = view.dataset.middle ?? view.querySelector(".map-node.is-root")?.dataset.code ?? nodes.keys().next().value;
    function begin() {
        if (typeMap.chosen !== undefined) return typeMap.showChosen();
        if (wholeScale() >= 0.35) showAll(false);
        else if (view.dataset.middle) centre(places.get(first), READABLE, false);
        else centre({ x: places.get(first).x - WIDTH + view.clientWidth / 2 / READABLE, y: places.get(first).y }, READABLE, false);
    }
    setTimeout(() => { // after Panzoom's own first step, which is delayed too
        begin();
        const asked = decodeURIComponent(location.hash.slice(1));
        const narrow = view.clientWidth < 640 && wholeScale() < 0.35; // a phone: one type at a time
        if (nodes.has(asked)) typeMap.choose(asked);
        else if (narrow) typeMap.choose(first);
    });
    let width = view.clientWidth;
    new ResizeObserver(() => {
        if (view.clientWidth !== width) begin();
        width = view.clientWidth;
    }).observe(view);
})();
