"use strict";

// htmx asks for the preview while somebody types, and for the cache card every few seconds and after an act. Here they
// say when they are not up to date.
(() => {
    const result = document.getElementById("cache-result");

    function tell(section, text) {
        const problem = section.closest?.(".entity-card")?.querySelector("[data-problem]");
        if (!problem) return;
        problem.textContent = text;
        problem.hidden = !text;
    }

    document.addEventListener("htmx:beforeRequest", ({ target }) => target.matches(".cache-acts") && (result.textContent = "Working…"));
    document.addEventListener("htmx:afterOnLoad", ({ detail }) => {
        const gone = detail.xhr.status === 404 ? " This entity type was deleted meanwhile." : "";
        tell(detail.elt, detail.successful ? "" : `Not up to date.${gone}`);
        if (detail.elt.matches(".cache-acts")) detail.elt.reset();
        for (const { dataset } of document.querySelectorAll("[data-placeholder-of]")) {
            document.getElementById(dataset.placeholderOf).placeholder = dataset.placeholder; // what an empty field will become
        }
    });
    document.addEventListener("htmx:sendError", ({ detail }) => tell(detail.elt, "Not up to date: the server does not answer."));

    setInterval(() => {
        const bar = document.querySelector("#cache-state progress");
        if (!bar || bar.value <= 0) return;
        bar.value -= 1;
        document.querySelector("[data-seconds-left]").textContent = bar.value;
    }, 1000);
})();
