"use strict";

// Keeps the cache card up to date, counts its seconds down, and operates it without leaving the page.
for (const card of document.querySelectorAll("[data-cache-card]")) {
    const state = card.querySelector("[data-cache-state]");
    const result = card.querySelector("[data-cache-result]");
    const acts = card.querySelector("form");
    const EVERY_MS = 5000;
    let operating = false;

    setInterval(() => document.hidden || operating || refresh(), EVERY_MS);
    setInterval(countDown, 1000);
    document.addEventListener("visibilitychange", () => document.hidden || refresh());

    acts?.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (operating) return;
        operating = true;
        say("", "Working…");
        const url = event.submitter?.getAttribute("formaction") ?? acts.action;
        if (await show(url, { method: "POST", body: new FormData(acts) })) acts.elements.reason.value = "";
        else say("error", "That did not work: the server did not answer as it should. Open the page again.");
        operating = false;
    });

    async function refresh() {
        if (await show(card.dataset.cacheCard, {})) return;
        state.classList.add("cache-stale");
        state.title = "Not up to date: the server does not answer.";
    }

    async function show(url, options) {
        try {
            const headers = { "X-Requested-With": "XMLHttpRequest" };
            const answer = await fetch(url, { ...options, headers, redirect: "error", cache: "no-store" });
            if (!answer.ok) return false;
            state.innerHTML = await answer.text(); // the server's own template
            state.classList.remove("cache-stale");
            state.removeAttribute("title");
            const said = state.querySelector("[data-cache-said]");
            if (said) say(said.dataset.cacheSaid, said.textContent);
            return true;
        } catch {
            return false;
        }
    }

    function say(level, text) {
        result.dataset.level = level;
        result.textContent = text;
    }

    function countDown() {
        const bar = state.querySelector("progress");
        if (!bar || bar.value <= 0) return;
        bar.value -= 1;
        state.querySelector("[data-seconds-left]").textContent = bar.value;
    }
}
