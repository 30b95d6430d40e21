"use strict";

/** After an act the page of one entry shows it as it is then; what was done stays on it. */
document.addEventListener("cache:acted", async () => {
    try {
        const fresh = new DOMParser().parseFromString(await (await cachePolling.get(location.href)).text(), "text/html");
        const parts = [...fresh.querySelectorAll("[data-live]")];
        for (const [number, part] of [...document.querySelectorAll("[data-live]")].entries()) {
            part.replaceWith(document.adoptNode(parts[number]));
        }
    } catch {
        // The result line has said what was done; reloading shows the rest.
    }
});
