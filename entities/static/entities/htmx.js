"use strict";

// Styles that a script writes into the page are refused by the content security policy; Unfold uses none of these.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

// What asks again when somebody looks does not ask while nobody does.
document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-hx-trigger*=visibilitychange]")) event.preventDefault();
});

// An answer from elsewhere, such as the login page, is none.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const [answered, asked] = [detail.xhr.responseURL, detail.pathInfo.finalRequestPath].map((url) => new URL(url, location).pathname);
    if (answered === asked) return;
    detail.shouldSwap = false;
    detail.isError = true;
    if (detail.target.id === "entity-dialog") location.reload();
});
