"use strict";

// Which links of the map are drawn, and along which path.
globalThis.MapLinks = (() => {
    /** Mark links that a longer path implies: without them the picture is easier to follow. */
    function markImplied(links) {
        const kept = new Map();
        for (const { parent, child } of links) {
            if (parent !== child) kept.set(parent, (kept.get(parent) ?? new Set()).add(child));
        }
        for (const link of links) {
            if (link.parent === link.child) continue;
            kept.get(link.parent).delete(link.child);
            link.isImplied = isReached(kept, link.parent, link.child);
            if (!link.isImplied) kept.get(link.parent).add(link.child);
        }
    }

    function isReached(kept, from, to) {
        const seen = new Set([from]);
        const open = [from];
        while (open.length) {
            for (const next of kept.get(open.pop()) ?? []) {
                if (next === to) return true;
                if (seen.has(next)) continue;
                seen.add(next);
                open.push(next);
            }
        }
        return false;
    }

    /** A curve from stop to stop, straight past other nodes. */
    function curve(stops, isUpright = false) {
        return stops.map(({ x, y }, index) => {
            if (!index) return `M${x} ${y}`;
            const before = stops[index - 1];
            const [alongX, alongY] = [(before.x + x) / 2, (before.y + y) / 2];
            return isUpright ? `C${before.x} ${alongY} ${x} ${alongY} ${x} ${y}` : `C${alongX} ${before.y} ${alongX} ${y} ${x} ${y}`;
        }).join("");
    }

    /** Around one type in the middle: its parents on its left and its children on its right, or above and below. */
    function placeAround({ x, y }, parents, children, { width, height, isUpright }) {
        const places = new Map();
        const [gapX, gapY] = [14, 12];
        const put = (codes, side) => {
            const lines = isUpright ? Math.min(2, codes.length) : Math.ceil(codes.length / 8);
            const long = Math.ceil(codes.length / lines);
            codes.forEach((code, index) => {
                const [line, place] = isUpright ? [index % lines, Math.floor(index / lines)] : [Math.floor(index / long), index % long];
                places.set(code, isUpright
                    ? { x: x + (line - (lines - 1) / 2) * (width + gapX), y: y + side * (height + 44 + (side < 0 ? long - 1 - place : place) * (height + gapY)) }
                    : { x: x + side * (width + 90 + line * (width + gapX)), y: y + (place - (long - 1) / 2) * (height + gapY) });
            });
        };
        put(parents, -1);
        put(children.filter((code) => !places.has(code)), 1);
        return places;
    }

    return { markImplied, curve, placeAround };
})();
