"use strict";

/** Cache operations: what is sent, the progress, and the result. Each is one request with a streamed response. */
(() => {
    const form = document.querySelector("[data-acts]");
    if (!form) {
        return;
    }
    const buttons = [...form.querySelectorAll("[data-operation]")];
    const progress = form.querySelector("[data-progress]");
    const bar = progress.querySelector("progress");
    const howFar = progress.querySelector("[data-how-far]");
    const result = form.querySelector("[data-result]");
    const tag = form.querySelector("[data-tag]");
    const dialog = form.querySelector("dialog");
    const LABELS = {invalidate: "Invalidating", warm: "Warming", clear: "Clearing", audit: "Comparing"};
    let running = null;

    const selected = () => [...document.querySelectorAll("[data-code]:checked")].map((box) => box.value);

    function showState() {
        const down = document.querySelector("[data-down]") !== null;
        const none = selected().length === 0;
        const untagged = tag.value.trim() === "";
        for (const button of buttons) {
            button.disabled = down || running !== null
                || ("selected" in button.dataset && none) || ("tagged" in button.dataset && untagged);
        }
        form.querySelector("[data-why]").hidden = !down;
        progress.hidden = running === null;
    }

    function showStep(operation, step) {
        bar.max = step.total;
        if (step.total > 1) {
            bar.value = step.done;
        } else {
            bar.removeAttribute("value"); // one step: the bar only moves
        }
        howFar.textContent = step.total > 1 ? `${LABELS[operation]}: ${step.done} of ${step.total}` : `${LABELS[operation]}...`;
    }

    function say(text, level) {
        result.textContent = text;
        result.dataset.level = level;
    }

    async function* readLines(response) {
        let rest = "";
        for await (const text of streamOf(response.body.pipeThrough(new TextDecoderStream()))) {
            const lines = (rest + text).split("\n");
            rest = lines.pop();
            yield* lines.filter(Boolean).map((line) => JSON.parse(line));
        }
    }

    async function* streamOf(stream) { // not every browser iterates over streams itself
        const reader = stream.getReader();
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
            yield part.value;
        }
    }

    async function follow(operation, response) {
        let last = null;
        for await (const step of readLines(response)) {
            if (step.error) {
                throw new Error(step.error);
            }
            last = step;
            showStep(operation, step);
        }
        if (!last?.finished) {
            throw new Error("The response broke off: see the audit log for how far it got.");
        }
        return last.result;
    }

    /** `on` says what to operate on: one of `codes`, `tag` and `everything`. */
    async function run(operation, on) {
        running = new AbortController();
        say("", "");
        showStep(operation, {done: 0, total: 1});
        showState();
        const sent = new FormData(form);
        sent.delete("tag"); // it may be filled in for another operation
        for (const [name, value] of Object.entries({operation, ...on})) {
            sent.set(name, value);
        }
        try {
            const response = await fetch(form.dataset.url, {method: "POST", body: sent, signal: running.signal});
            if (!response.ok || response.redirected) {
                const problem = response.status === 400 ? (await response.json()).error : `Nothing was done: the server responded ${response.status}.`;
                throw new Error(response.redirected ? "Nothing was done: you are logged out." : problem);
            }
            say(`Done: ${await follow(operation, response)}.`, "success");
        } catch (error) {
            const cancelled = error.name === "AbortError";
            say(cancelled ? `Cancelled. ${howFar.textContent}; the audit log has what was done.` : error.message, cancelled ? "warning" : "error");
        } finally {
            running = null;
            showState();
            document.dispatchEvent(new CustomEvent("cache:acted"));
        }
    }

    function onWhat(button) {
        if ("tagged" in button) {
            return {tag: tag.value};
        }
        if ("selected" in button) {
            return {codes: selected().join(",")};
        }
        return "given" in button ? {codes: form.dataset.codes} : {everything: "on"};
    }

    async function confirm() {
        say("", "");
        const warning = dialog.querySelector("[data-warning]");
        try {
            const {values} = JSON.parse(await cachePolling.get(form.dataset.valuesUrl));
            warning.textContent = values === 1
                ? "1 cached value will be dropped. The next reader asks the database."
                : `${values.toLocaleString("en")} cached values will be dropped. The next reader of each asks the database.`;
            dialog.showModal();
        } catch (error) {
            say(`Nothing was done: ${error.message}.`, "error");
        }
    }

    for (const button of buttons) {
        button.addEventListener("click", () => {
            return "confirm" in button.dataset ? confirm() : run(button.dataset.operation, onWhat(button.dataset));
        });
    }
    form.querySelector("[data-cancel]").addEventListener("click", () => running?.abort());
    form.querySelector("[data-dismiss]").addEventListener("click", () => dialog.close());
    form.querySelector("[data-confirmed]").addEventListener("click", () => {
        dialog.close();
        run("clear", {everything: "on"});
    });
    form.addEventListener("submit", (event) => event.preventDefault()); // Enter in the reason does nothing by itself
    document.addEventListener("change", showState);
    tag.addEventListener("input", showState);
    document.addEventListener("cache:shown", showState);
    showState();
})();
