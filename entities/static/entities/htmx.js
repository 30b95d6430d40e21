"use strict";

// The content security policy blocks styles that a script writes into the page; Unfold uses none of these.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

// Elements that refresh when the page becomes visible do not refresh while it is hidden.
document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-hx-trigger*=visibilitychange]")) event.preventDefault();
});

// A response from elsewhere, such as the login page, does not count, nor one without the part that asks for itself again.
document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
    const pathOf = (url) => new URL(url, location).pathname;
    const isWhole = !target.matches("[data-every]") || detail.serverResponse.includes(`id="${target.id}"`);
    if (isWhole && pathOf(detail.xhr.responseURL) === pathOf(detail.pathInfo.finalRequestPath)) return;
    detail.shouldSwap = false;
    detail.isError = true;
    if (target.id === "entity-dialog") location.reload();
});

// A request that failed is told in the dialog that it was to fill, or where its element's `data-problem` says.
for (const event of ["htmx:afterOnLoad", "htmx:sendError"]) {
    document.addEventListener(event, ({ detail: { elt, target, xhr, successful } }) => {
        const dialog = target?.matches("dialog") ? target : null;
        const place = dialog ?? document.getElementById(elt.dataset.problem);
        if (!place || (dialog && successful)) return;
        let reason = "The server did not do it. Reload the page, then try again.";
        if (xhr.status < 400) reason = "The server can't be reached, or you are logged out.";
        if (xhr.status >= 500) reason = "The server can't do it now. Try again in a moment.";
        if (xhr.status === 404) reason = "This entity type was deleted meanwhile.";
        place.textContent = successful ? "" : `${elt.dataset.failed ?? ""} ${reason}`.trim();
        place.hidden = Boolean(successful);
        dialog?.showModal();
    });
}

// Seconds that are left go on between two answers.
setInterval(() => {
    for (const left of document.querySelectorAll("[data-seconds-left]")) {
        left.value = Math.max(0, left.value - 1);
        left.textContent = `${left.value} s`;
    }
}, 1000);
