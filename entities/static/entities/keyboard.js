"use strict";

// Makes what Unfold leaves to mouse users or sighted users reachable by keyboard, with proper names.
document.addEventListener("DOMContentLoaded", () => {
    for (const element of document.querySelectorAll("[x-on\\:click]")) {
        const reached = element.matches("a[href], button, input, select, textarea, summary, [tabindex]");
        if (reached || !element.textContent.trim()) continue; // without text it is what is behind an open menu: Escape
        element.tabIndex = 0;
        element.setAttribute("role", "button");
        if (element.matches(".material-symbols-outlined")) element.ariaLabel = "Menu"; // an icon, which is its name in text
        element.addEventListener("keydown", (event) => {
            if (event.target !== element || !["Enter", " "].includes(event.key)) return;
            event.preventDefault();
            element.click();
        });
    }
    hideIconNames();
    markRegions();
});

// Ctrl+S saves, as everywhere, if there is something to save.
document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    const save = [...document.querySelectorAll('button[name="_save"]')].find((button) => button.checkVisibility());
    if (!save) return;
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) save.click();
});

/** An icon is its name in a font: nobody should hear "account_tree Map". An icon alone is called by its title. */
function hideIconNames() {
    for (const icon of document.querySelectorAll(".material-symbols-outlined:not([role]):not([tabindex])")) {
        const control = icon.closest("a, button, [role=button]");
        if (control && !control.ariaLabel && !control.textContent.replaceAll(icon.textContent, "").trim()) {
            control.ariaLabel = control.title || icon.textContent.trim().replaceAll("_", " ");
        }
        icon.setAttribute("aria-hidden", "true");
    }
}

/** Landmarks, and a link past the menu. */
function markRegions() {
    const content = document.getElementById("content");
    const menu = document.getElementById("nav-sidebar-inner");
    if (!content || !menu) return;
    if (!content.querySelector("main")) content.setAttribute("role", "main");
    content.tabIndex = -1;
    menu.setAttribute("aria-label", "Menu");
    menu.querySelector("a.active")?.setAttribute("aria-current", "page");
    document.querySelector("#main > div:has(#header-inner)")?.setAttribute("role", "banner");
    const skip = Object.assign(document.createElement("a"), { href: "#content", className: "skip-link", textContent: "Skip to the content" });
    document.body.prepend(skip);
}
