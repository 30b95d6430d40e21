"use strict";

/** What other processes answer about the entry is shown as it comes. After an act the page of one entry shows it as it is then; what was done stays on it. */
(() => {
    const table = document.querySelector("[data-holders][data-url]");
    let left = 5; // a process looks for a question every two seconds

    async function showAnswers() {
        try {
            const html = await (await cachePolling.get(table.dataset.url)).text();
            const fresh = new DOMParser().parseFromString(`<table>${html}</table>`, "text/html").querySelector("tbody");
            table.querySelector("[data-memories]").replaceWith(document.adoptNode(fresh));
        } catch {
            left = 0; // what is shown stays
        }
        left -= 1;
        if (left > 0) {
            setTimeout(showAnswers, 1000);
        } else {
            document.querySelector("[data-asked]").textContent = "and that time is over";
        }
    }

    if (table) {
        setTimeout(showAnswers, 1000);
    }
})();

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
