"use strict";

// Asks the server, while somebody types, what saving the form would make.
for (const section of document.querySelectorAll("[data-preview-url]")) {
    const form = document.getElementById(section.dataset.previewOf);
    const shown = section.querySelector("[data-preview]");
    const problem = section.querySelector("[data-preview-problem]");
    const PAUSE_MS = 300;
    let timer = 0;
    let asking = new AbortController();

    const later = () => {
        clearTimeout(timer);
        timer = setTimeout(ask, PAUSE_MS);
    };
    form.addEventListener("input", later);
    form.addEventListener("change", later);

    async function ask() {
        asking.abort();
        asking = new AbortController();
        try {
            const answer = await fetch(section.dataset.previewUrl, {
                method: "POST", body: new FormData(form), redirect: "error", signal: asking.signal,
            });
            if (!answer.ok) throw new Error(answer.status === 404 ? "This entity type was deleted meanwhile." : "");
            shown.innerHTML = await answer.text(); // the server's own template, which escapes what people typed
            for (const { dataset } of shown.querySelectorAll("[data-placeholder-of]")) {
                document.getElementById(dataset.placeholderOf).placeholder = dataset.placeholder; // what it will be, left empty
            }
            tell("");
        } catch (error) {
            if (error.name === "AbortError") return;
            tell(`Not up to date. ${error instanceof TypeError ? "" : error.message}`.trim());
        }
    }

    function tell(text) {
        problem.textContent = text;
        problem.hidden = !text;
    }
}
