"use strict";

// Sets the plural to the label's regular plural until somebody types something else.
for (const plural of document.querySelectorAll("[data-plural-of]")) {
    const label = document.getElementById(plural.dataset.pluralOf);
    if (!label) continue;
    const rules = JSON.parse(plural.dataset.pluralRules).map(([pattern, ending, cut]) => [new RegExp(pattern, "i"), ending, cut]);
    const suggest = (text) => {
        const rule = rules.find(([pattern]) => pattern.test(text));
        return rule ? text.slice(0, text.length - rule[2]) + rule[1] : "";
    };
    let suggested = suggest(label.value.trim());
    label.addEventListener("input", () => {
        const follows = plural.value === "" || plural.value === suggested;
        suggested = suggest(label.value.trim());
        if (follows) plural.value = suggested;
    });
}
