"use strict";

// The content security policy blocks styles that a script writes into the page; Unfold uses none of these.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

// Elements that refresh when the page becomes visible do not refresh while it is hidden.
document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-hx-trigger*=visibilitychange]")) event.preventDefault();
});

// A response from elsewhere, such as the login page, does not count.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const [answered, asked] = [detail.xhr.responseURL, detail.pathInfo.finalRequestPath].map((url) => new URL(url, location).pathname);
    if (answered === asked) return;
    detail.shouldSwap = false;
    detail.isError = true;
    if (detail.target.id === "entity-dialog") location.reload();
});
