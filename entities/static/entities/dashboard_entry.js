"use strict";

/** Shows other processes' replies about the entry as they arrive, and reloads the entry after an operation. */
(() => {
    const table = document.querySelector("[data-holders][data-url]");
    let left = 5; // a process looks for a question every two seconds

    async function showAnswers() {
        try {
            cachePolling.show(`<table>${await cachePolling.get(table.dataset.url)}</table>`);
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
    document.addEventListener("cache:acted", async () => {
        try {
            cachePolling.show(await cachePolling.get(location.href));
        } catch {
            // The result line has said what was done; reloading shows the rest.
        }
    });
})();
