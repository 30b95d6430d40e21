"use strict";

// The map of entity types, as the server sends it with its links: dagre finds the places, Panzoom moves the whole.
(() => {
    const WIDTH = 174;
    const HEIGHT = 46;
    const GAP = 14;
    const READABLE = 0.75;
    const LEAST = 0.35; // below it nobody recognizes a node
    const STEP = 80;
    const smooth = { animate: !matchMedia("(prefers-reduced-motion: reduce)").matches };

    /** Draw a map that has just come, and let people move it and find something on it. */
    function showMap(view) {
        const [canvas, drawing, list] = [".map-canvas", ".map-links", ".map-nodes"].map((each) => view.querySelector(each));
        const nodes = new Map([...view.querySelectorAll(".map-node")].map((node) => [node.dataset.code, node]));
        const links = JSON.parse(document.getElementById("map-data").textContent)
            .map(([parent, child, isImplied]) => ({ parent, child, isImplied }));
        const { middle } = view.dataset;
        const isStar = "star" in view.dataset;
        if (!nodes.size) return;
        const isNarrow = () => view.clientWidth < 640;
        const move = (element, x, y) => { element.style.transform = `translate(${x}px, ${y}px)`; };
        let places; // the middle of each node
        let extent; // of the picture: its middle, width and height

        /** Place the nodes and draw the links: parents left of their children; on a phone, around one type, above them. */
        function draw() {
            const isUpright = isStar && isNarrow();
            const turn = ({ x, y }) => (isUpright ? { x: y, y: x } : { x, y });
            const [along, across] = isUpright ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT];
            const bends = new Map(); // of a link, past other nodes
            const placed = isStar ? placeAround(along, across, isUpright ? 2 : 8) : layOut(bends);
            for (const { path } of links) path?.remove();
            for (const link of links) {
                link.path = document.createElementNS("http://www.w3.org/2000/svg", "path");
                link.path.setAttribute("d", course(placed.get(link.parent), placed.get(link.child), bends.get(link) ?? [], along, turn));
                link.path.setAttribute("marker-end", "url(#map-arrow)");
                link.path.classList.toggle("is-back", placed.get(link.child).x <= placed.get(link.parent).x);
                link.path.classList.toggle("is-implied", link.isImplied);
                drawing.append(link.path);
            }
            places = new Map([...placed].map(([code, place]) => [code, turn(place)]));
            for (const [code, { x, y }] of places) move(nodes.get(code).parentElement, x - WIDTH / 2, y - HEIGHT / 2);

            const boxes = [...places.values()].map(({ x, y }) => new DOMRect(x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT));
            boxes.push(DOMRect.fromRect(drawing.getBBox()));
            const [left, top] = ["left", "top"].map((side) => Math.min(...boxes.map((box) => box[side])));
            const [right, bottom] = ["right", "bottom"].map((side) => Math.max(...boxes.map((box) => box[side])));
            extent = { x: (left + right) / 2, y: (top + bottom) / 2, width: right - left + 2 * GAP, height: bottom - top + 2 * GAP };
            for (const each of [drawing, list]) move(each, -extent.x, -extent.y);
            lookAt();
        }

        /** Where dagre places the nodes, and below them rows of those without links; it notes the bends of links. */
        function layOut(bends) {
            const graph = new dagre.graphlib.Graph();
            graph.setGraph({ rankdir: "LR", ranker: "tight-tree", acyclicer: "greedy", nodesep: 10, ranksep: 34, edgesep: 6 });
            const ends = links.filter(({ parent, child }) => parent !== child);
            for (const code of new Set(ends.flatMap(({ parent, child }) => [parent, child]))) graph.setNode(code, { width: WIDTH, height: HEIGHT });
            const drawn = ends.filter(({ isImplied }) => !isImplied);
            for (const { parent, child } of drawn) graph.setEdge(parent, child, {});
            dagre.layout(graph);
            const placed = new Map(graph.nodes().map((code) => [code, graph.node(code)]));
            const columns = new Set([...placed.values()].map(({ x }) => Math.round(x)));
            for (const link of drawn) {
                const { points } = graph.edge(link.parent, link.child);
                bends.set(link, points.slice(1, -1).filter(({ x }) => columns.has(Math.round(x))));
            }
            const top = Math.max(0, ...[...placed.values(), ...[...bends.values()].flat()].map(({ y }) => y + HEIGHT));
            const orphans = [...nodes.keys()].filter((code) => !placed.has(code));
            const inRow = Math.max(Math.floor((graph.graph().width ?? 0) / (WIDTH + GAP)), Math.ceil(Math.sqrt(orphans.length)));
            orphans.forEach((code, index) => placed.set(code,
                { x: WIDTH / 2 + (index % inRow) * (WIDTH + GAP), y: top + HEIGHT / 2 + Math.floor(index / inRow) * (HEIGHT + 2 * GAP) }));
            return placed;
        }

        /** One type with its parents before it and its children behind it, so many in a line. */
        function placeAround(along, across, inLine) {
            const placed = new Map([[middle, { x: 0, y: 0 }]]);
            for (const [end, side] of [["parent", -1], ["child", 1]]) {
                const codes = links.map((link) => link[end]).filter((code) => !placed.has(code));
                const lines = Math.ceil(codes.length / inLine);
                codes.forEach((code, index) => {
                    const line = Math.floor(index / inLine);
                    const away = side < 0 ? lines - 1 - line : line;
                    const place = index % inLine - (Math.min(inLine, codes.length) - 1) / 2;
                    placed.set(code, { x: side * (along + 60 + away * (along + GAP)), y: place * (across + GAP) });
                });
            }
            return placed;
        }

        /** From side to side: straight past other nodes, curved between them. */
        function course(from, to, bends, along, turn) {
            const at = (...points) => points.map(([x, y]) => Object.values(turn({ x, y })).join(" ")).join(" ");
            if (from === to) return `M${turn(from).x + WIDTH / 2 - 34} ${turn(from).y - HEIGHT / 2}c0 -18 26 -18 26 0`;
            const side = (to.x <= from.x ? -along : along) / 2;
            const stops = [[from.x + side, from.y], ...bends.flatMap(({ x, y }) => [[x - side, y], [x + side, y]]), [to.x - side, to.y]];
            return stops.map(([x, y], index) => {
                if (!index) return `M${at([x, y])}`;
                const [before, beside] = stops[index - 1];
                return `C${at([(before + x) / 2, beside], [(before + x) / 2, y], [x, y])}`;
            }).join("");
        }

        // --- Moving: Panzoom's pan is in the canvas's own units, and the picture's middle is in the middle without it ---

        const wholeScale = () => Math.min(view.clientWidth / extent.width, view.clientHeight / extent.height, 1);
        const whole = () => ({ startScale: wholeScale(), startX: 0, startY: 0 });
        const around = ({ x, y }, startScale) => ({ startScale, startX: extent.x - x, startY: extent.y - y });

        /** All of it, or, where that would be too small to read, its beginning. */
        function beginning() {
            if (isStar || wholeScale() >= LEAST) return whole();
            if (middle) return around(places.get(middle), READABLE);
            const { x, y } = places.get(first);
            return around({ x: x - WIDTH + view.clientWidth / 2 / READABLE, y }, READABLE);
        }

        const first = middle ?? view.querySelector(".map-node.is-root")?.dataset.code ?? nodes.keys().next().value;
        view.classList.add("is-drawn");
        draw();
        const panzoom = Panzoom(canvas, { canvas: true, cursor: "grab", overflow: "clip", minScale: 0.05, maxScale: 2.5, ...beginning() });
        view.addEventListener("htmx:beforeCleanupElement", panzoom.destroy);
        let { clientWidth } = view;
        new ResizeObserver(() => {
            if (view.clientWidth === clientWidth) return;
            ({ clientWidth } = view);
            if (isStar) draw();
            panzoom.reset({ ...beginning(), animate: false });
        }).observe(view);

        const pan = (x, y) => panzoom.pan(x / panzoom.getScale(), y / panzoom.getScale(), { relative: true, ...smooth });
        const keys = {
            "+": () => panzoom.zoomIn(smooth), "=": () => panzoom.zoomIn(smooth), "-": () => panzoom.zoomOut(smooth),
            0: () => panzoom.reset({ ...whole(), ...smooth }),
            ArrowLeft: () => pan(STEP, 0), ArrowRight: () => pan(-STEP, 0), ArrowUp: () => pan(0, STEP), ArrowDown: () => pan(0, -STEP),
        };
        view.addEventListener("keydown", (event) => {
            if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
            event.preventDefault();
            keys[event.key]();
        });
        view.addEventListener("wheel", panzoom.zoomWithWheel, { passive: false });
        const frame = view.closest(".map-frame");
        frame.querySelector(".map-zoom").hidden = false;
        frame.addEventListener("click", ({ target }) => keys[target.closest("button[data-map]")?.dataset.map]?.());
        frame.addEventListener("keydown", ({ key }) => key === "Escape" && frame.querySelector("[data-map=Escape]")?.click());

        let pressed = [0, 0]; // where the pointer went down: a click after a drag opens nothing
        view.addEventListener("pointerdown", ({ clientX, clientY }) => { pressed = [clientX, clientY]; }, true);
        view.addEventListener("click", (event) => {
            if (!event.detail || Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) <= 5) return;
            event.preventDefault();
            event.stopPropagation();
        }, true);

        // --- Looking at one: its parents and children stand out ---

        function lookAt(code = isStar ? middle : codeOf(document.activeElement)) {
            view.classList.toggle("has-focus", code !== undefined);
            for (const element of [...nodes.values(), ...links.map(({ path }) => path)]) {
                element.classList.remove("is-here", "is-parent", "is-child");
            }
            for (const { parent, child, path } of links) {
                if (parent === code) for (const each of [nodes.get(child), path]) each.classList.add("is-child");
                if (child === code) for (const each of [nodes.get(parent), path]) each.classList.add("is-parent");
            }
            nodes.get(code)?.classList.add("is-here");
        }

        function codeOf(target) {
            const code = target?.closest?.("[data-code]")?.dataset.code;
            return nodes.has(code) ? code : undefined;
        }

        for (const place of [view, document.getElementById("map-findings")]) {
            for (const come of ["pointerover", "focusin"]) place.addEventListener(come, ({ target }) => lookAt(codeOf(target)));
            for (const go of ["pointerleave", "focusout"]) place.addEventListener(go, () => lookAt());
        }
        view.addEventListener("focusin", ({ target }) => {
            const [outer, inner] = [view, target].map((each) => each.getBoundingClientRect());
            const isSeen = inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top && inner.bottom <= outer.bottom;
            if (codeOf(target) && !isSeen) {
                panzoom.reset({ ...around(places.get(codeOf(target)), Math.max(panzoom.getScale(), READABLE)), ...smooth });
            }
        });

        // --- Finding one: Enter asks the server ---

        const search = document.getElementById("map-around");
        search.addEventListener("input", () => {
            const wanted = search.value.trim().normalize("NFC").toLowerCase();
            const found = [...nodes.values()].filter(({ dataset }) => wanted && [dataset.code, dataset.label.toLowerCase()].some((text) => text.includes(wanted)));
            for (const node of nodes.values()) node.classList.toggle("is-match", found.includes(node));
            document.querySelector(".map-status").textContent = wanted ? `${found.length} found. Enter goes to the first.` : "";
        });

        // --- A phone shows one type at a time; addresses once had the chosen type as their fragment ---

        const asked = decodeURIComponent(location.hash.slice(1)) || (!location.search && isNarrow() && wholeScale() < LEAST && first);
        if (nodes.has(asked)) location.replace(nodes.get(asked).href);
    }

    document.addEventListener("htmx:load", ({ target }) => {
        const view = document.querySelector(".map-view:not(.is-drawn)");
        if (!view) return;
        showMap(view);
        if (target === document.body) return;
        const next = document.querySelector("#map [aria-invalid]") ?? document.getElementById("map-chosen") ?? view;
        next.focus({ preventScroll: true });
    });
    htmx.config.responseHandling.unshift({ code: "400", swap: true }); // the map is there too when nothing is found
    for (const problem of ["htmx:responseError", "htmx:sendError"]) { // as any link: what went wrong, or the login page, is shown
        document.addEventListener(problem, ({ detail }) => detail.boosted && location.assign(detail.pathInfo.finalRequestPath));
    }
})();
