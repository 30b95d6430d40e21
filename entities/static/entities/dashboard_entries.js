"use strict";

/** The list of entries keeps itself up to date; what is selected stays so, and so does the focus. */
(() => {
    const rows = () => document.querySelector("[data-rows]");
    const boxes = () => [...document.querySelectorAll("[data-code]")];

    function tell() {
        document.dispatchEvent(new CustomEvent("cache:answers", {detail: !rows().hasAttribute("data-down")}));
        document.dispatchEvent(new CustomEvent("cache:rows"));
    }

    function replace(html) {
        const selected = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
        const all = document.querySelector("[data-all]")?.checked;
        const inside = rows().contains(document.activeElement) ? document.activeElement : null;
        const before = [...rows().querySelectorAll("a, input, [tabindex]")];
        const place = before.indexOf(inside);
        const scrolled = rows().querySelector(".entity-scroll")?.scrollLeft ?? 0;
        const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("[data-rows]");
        if (!fresh) {
            throw new Error("it did not answer with the list");
        }
        rows().replaceWith(document.adoptNode(fresh));
        for (const box of boxes()) {
            box.checked = selected.has(box.value);
        }
        const every = document.querySelector("[data-all]");
        if (every) {
            every.checked = Boolean(all);
        }
        rows().querySelector(".entity-scroll")?.scrollTo({left: scrolled});
        if (place >= 0) {
            const after = rows().querySelectorAll("a, input, [tabindex]");
            const same = inside.value ? [...after].find((one) => one.value === inside.value && one.tagName === inside.tagName) : after[place];
            same?.focus({preventScroll: true});
        }
        tell();
    }

    document.addEventListener("change", (event) => {
        if (event.target.matches("[data-all]")) {
            boxes().forEach((box) => (box.checked = event.target.checked));
            tell();
        }
    });
    // With a filter the server looks at every entry, not at one page of them.
    const everyMs = new URLSearchParams(location.search).has("state") ? 20000 : 5000;
    cachePolling.start(async () => replace(await (await cachePolling.get(location.href, {"X-Rows-Alone": "1"})).text()), everyMs);
})();
