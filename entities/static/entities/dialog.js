"use strict";

// Opens the dialog that htmx has filled, and says so in it if the server did not respond as expected.
(() => {
    const show = (dialog) => dialog.open || dialog.showModal();
    document.addEventListener("htmx:afterSwap", ({ detail }) => detail.target.id === "entity-dialog" && show(detail.target));
    for (const problem of ["htmx:responseError", "htmx:sendError"]) {
        document.addEventListener(problem, ({ detail }) => {
            if (detail.target?.id !== "entity-dialog") return;
            const text = Object.assign(document.createElement("p"), { textContent: "The server can't be reached, or does not allow it. Reload the page, then try again." });
            detail.target.replaceChildren(text);
            show(detail.target);
        });
    }
    document.addEventListener("click", ({ target }) => target.id === "entity-dialog" && target.close()); // beside it
})();
