"use strict";

/** Keeps the list of entries up to date; the selection stays. */
(() => {
    const boxes = () => [...document.querySelectorAll("[data-code]")];

    function show(html) {
        const selected = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
        cachePolling.show(html);
        for (const box of boxes()) {
            box.checked = selected.has(box.value);
        }
    }

    document.addEventListener("change", (event) => {
        if (event.target.matches("[data-all]")) {
            boxes().forEach((box) => (box.checked = event.target.checked));
            document.dispatchEvent(new CustomEvent("cache:shown"));
        }
    });
    // With a filter the server checks every entry, not just one page of them.
    const everyMs = new URLSearchParams(location.search).has("state") ? 20000 : 5000;
    cachePolling.start(async () => show(await cachePolling.get(location.href, {"X-Rows-Alone": "1"})), everyMs);
})();
