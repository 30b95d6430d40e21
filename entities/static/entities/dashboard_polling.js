"use strict";

/**
 * Fetch a URL every few seconds, less often while it fails and not at all while the page is hidden.
 *
 * `cachePolling.start(ask, everyMs)`: `ask` fetches and shows, and throws if it can't.
 */
const cachePolling = (() => {
    const LONGEST_MS = 60000;

    function sayLost(error, waitMs) {
        const lost = document.querySelector("[data-lost]");
        lost.hidden = !error;
        document.querySelector("[data-live-dot]")?.toggleAttribute("data-lost-contact", Boolean(error));
        lost.textContent = error
            ? `Lost contact with the server (${error.message}): what is shown may be old. Trying again in ${Math.round(waitMs / 1000)} s.`
            : "";
    }

    function start(ask, everyMs) {
        let failures = 0;
        let timer = 0;
        let asking = null;

        async function askNow() {
            clearTimeout(timer);
            asking ??= (async () => {
                try {
                    await ask();
                    failures = 0;
                    sayLost(null);
                } catch (error) {
                    failures += 1;
                    sayLost(error, wait());
                }
            })();
            await asking;
            asking = null;
            plan();
        }

        const wait = () => Math.min(everyMs * 2 ** failures, LONGEST_MS);

        function plan() {
            clearTimeout(timer);
            if (!document.hidden) {
                timer = setTimeout(askNow, wait());
            }
        }

        document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : askNow()));
        document.addEventListener("cache:acted", askNow);
        plan();
    }

    /** The response of a URL; throws if there is none, or if it is the login page. */
    async function get(url, headers = {}) {
        const response = await fetch(url, {headers, signal: AbortSignal.timeout(15000)});
        if (response.redirected) {
            throw new Error("you are logged out");
        }
        if (!response.ok) {
            throw new Error(`it answered ${response.status}`);
        }
        return response.text();
    }

    /** Update each part of the page from the part with its name in a response; equal parts stay, and so does the focus. */
    function show(html) {
        const fresh = new DOMParser().parseFromString(html, "text/html");
        const parts = [...fresh.querySelectorAll("[data-live]")];
        if (!parts.length) {
            throw new Error("it did not answer with the page");
        }
        for (const part of parts) {
            const shown = document.querySelector(`[data-live="${part.dataset.live}"]`);
            if (shown) {
                become(shown, part);
            }
        }
        document.dispatchEvent(new CustomEvent("cache:shown"));
    }

    function become(shown, now) {
        if (shown.isEqualNode(now)) {
            return;
        }
        if (shown.nodeType !== Node.ELEMENT_NODE || shown.nodeName !== now.nodeName || shown.dataset.key !== now.dataset.key) {
            shown.replaceWith(document.adoptNode(now));
            return;
        }
        for (const {name} of [...shown.attributes]) {
            if (!now.hasAttribute(name)) {
                shown.removeAttribute(name);
            }
        }
        for (const {name, value} of now.attributes) {
            shown.setAttribute(name, value);
        }
        const before = [...shown.childNodes];
        for (const [place, node] of [...now.childNodes].entries()) {
            if (before[place]) {
                become(before[place], node);
            } else {
                shown.append(document.adoptNode(node));
            }
        }
        before.slice(now.childNodes.length).forEach((node) => node.remove());
    }

    return {start, get, show};
})();
