"use strict";

// Unfold opens some menus by elements that only a mouse reaches: here the keyboard reaches them too.
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
});
