"use strict";

// The cache's pages: what htmx and idiomorph, which refresh them and send the operations, do not do by themselves.
(() => {
    const LONGEST_SECONDS = 60;
    const LABELS = { invalidate: "Invalidating", warm: "Warming", clear: "Clearing", audit: "Comparing" };
    const operations = document.querySelector("[data-operations]");

    // --- Refreshing: what people typed, selected and opened stays, and a server that does not answer is asked less often ---

    let failures = 0;
    let left = 0; // how many refreshes are left out

    Object.assign(Idiomorph.defaults.callbacks, {
        beforeNodeMorphed: (shown, fresh) => !shown.isEqualNode(fresh) && !shown.matches?.("[data-operations], canvas"),
        beforeAttributeUpdated: (name) => name !== "open",
    });

    function reasonOf({ xhr, pathInfo }) {
        if (!xhr.status) return "it does not answer";
        if (xhr.status >= 400) return `it answered ${xhr.status}`;
        const asked = new URL(pathInfo.finalRequestPath, location).pathname;
        return new URL(xhr.responseURL).pathname === asked ? "it did not answer with the page" : "you are logged out";
    }

    document.addEventListener("htmx:beforeRequest", (event) => {
        if (!event.target.matches("[data-every]")) return;
        event.detail.xhr.timeout = 15_000;
        const isByTime = !event.detail.requestConfig.triggeringEvent;
        if (isByTime && left-- > 0) event.preventDefault();
    });
    document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
        if (!target.matches("[data-every]")) return;
        const { every } = target.dataset;
        failures = detail.successful ? 0 : failures + 1;
        const waits = Math.max(1, Math.floor(Math.min(2 ** failures, LONGEST_SECONDS / every)));
        left = waits - 1;
        const lost = document.querySelector("[data-lost]");
        lost.hidden = failures === 0;
        document.querySelector(".cache-live")?.toggleAttribute("data-lost-contact", failures > 0);
        lost.textContent = failures
            ? `Lost contact with the server (${reasonOf(detail)}): what is shown may be old.`
                + ` Trying again in ${waits * every} s.`
            : "";
    });

    // --- Operations: the lines of JSON that stream in are shown as progress, and the last one as the result ---

    if (!operations) return;
    const find = (part) => operations.querySelector(part);
    const [bar, howFar, progress] = ["progress", "[data-how-far]", "[data-progress]"].map(find);
    const [result, why] = ["[data-result]", "[data-why]"].map(find);
    let running = false;

    function showState() {
        const down = document.querySelector("[data-down]") !== null;
        for (const button of operations.querySelectorAll("[data-hx-get], [data-hx-post]")) {
            button.disabled = down || running || !document.querySelector(button.dataset.needs ?? "body");
        }
        why.hidden = !down;
        progress.hidden = !running;
    }

    function showStep(label, { done, total }) {
        bar.max = total;
        if (total > 1) bar.value = done;
        else bar.removeAttribute("value"); // one step: the bar only moves
        howFar.textContent = total > 1 ? `${label}: ${done} of ${total}` : `${label}...`;
    }

    function say(text, level) {
        result.textContent = text;
        result.dataset.level = level;
    }

    const stepsOf = (xhr) => (xhr.responseText.match(/.+(?=\n)/g) ?? []).map((line) => JSON.parse(line));

    function tellOutcome(detail) {
        const isOurs = detail.xhr.getResponseHeader("Content-Type")?.includes("json");
        const last = isOurs ? stepsOf(detail.xhr).at(-1) : null;
        if (last?.finished) say(`Done: ${last.result}.`, "success");
        else if (last?.error) say(last.error, "error");
        else if (detail.xhr.status && !isOurs) say(`Nothing was done: ${reasonOf(detail)}.`, "error");
        else say("The response broke off: see the audit log for how far it got.", "error");
    }

    operations.addEventListener("htmx:beforeRequest", ({ detail: { xhr, requestConfig } }) => {
        say("", "");
        if (requestConfig.verb === "get") return; // how much clearing would drop
        const label = LABELS[requestConfig.parameters.operation];
        let shown = 0;
        xhr.addEventListener("progress", () => {
            for (const step of stepsOf(xhr).slice(shown)) {
                if (!step.error) showStep(label, step);
                shown += 1;
            }
        });
        running = true;
        showStep(label, { done: 0, total: 1 });
        showState();
    });
    operations.addEventListener("htmx:afterRequest", ({ detail }) => {
        if (detail.requestConfig.verb === "get") {
            if (!detail.successful) say(`Nothing was done: ${reasonOf(detail)}.`, "error");
            return;
        }
        running = false;
        tellOutcome(detail);
        showState();
        document.dispatchEvent(new CustomEvent("cache:operated"));
    });
    operations.addEventListener("htmx:sendAbort", () => {
        say(`Cancelled. ${howFar.textContent}; the audit log has what was done.`, "warning");
    });
    for (const event of ["change", "input", "htmx:afterSwap"]) document.addEventListener(event, showState);
    showState();
})();
