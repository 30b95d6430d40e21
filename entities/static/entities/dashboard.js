"use strict";

/** The dashboard: shows the figures it came with, and then those it asks for. */
(() => {
    const page = document.querySelector("[data-dashboard]");
    let figures = JSON.parse(document.getElementById("cache-figures").textContent);

    function element(tag, text = "", attributes = {}) {
        const made = document.createElement(tag);
        made.textContent = text;
        for (const [name, value] of Object.entries(attributes)) {
            made.setAttribute(name, value);
        }
        return made;
    }

    function showTexts() {
        for (const shown of page.querySelectorAll("[data-text]")) {
            const text = figures.texts[shown.dataset.text] ?? "-";
            if (shown.textContent !== text) {
                shown.textContent = text;
            }
        }
        page.querySelector("[data-taken]").textContent = figures.taken;
        page.querySelector("[data-live-dot]").dataset.level = figures.health.level;
    }

    function showHealth() {
        const shown = page.querySelector("[data-health]");
        const {level, headline, advice, others, incidents} = figures.health;
        shown.dataset.level = level;
        for (const [name, text] of [["headline", headline], ["advice", advice], ["incidents", incidents.join("; ")]]) {
            const part = shown.querySelector(`[data-${name}]`);
            if (part.textContent !== text) { // what has changed is read out
                part.textContent = text;
            }
        }
        shown.querySelector("[data-others]").replaceChildren(...others.map((text) => element("li", text)));
        shown.querySelector("[data-others]").hidden = others.length === 0;
        shown.querySelector("[data-incidents-line]").hidden = incidents.length === 0;
    }

    function showNotices() {
        const shown = page.querySelector("[data-notices]");
        const texts = [...shown.children].map((notice) => notice.textContent);
        if (texts.join() !== figures.notices.map(({text}) => text).join()) { // an alert is read out when it comes
            shown.replaceChildren(...figures.notices.map(({level, text}) => element("p", text, {class: "cache-notice", "data-level": level, role: "alert"})));
        }
    }

    function showNodes() {
        const nodes = figures.nodes.map(({name, address, facts}) => {
            const node = element("section", "", {class: "cache-node"});
            const title = element("h3", name);
            title.append(element("small", address));
            const list = element("dl", "", {class: "cache-facts"});
            for (const [term, value] of facts) {
                const fact = element("div");
                fact.append(element("dt", term), element("dd", value));
                list.append(fact);
            }
            node.append(title, list);
            return node;
        });
        page.querySelector("[data-nodes]").replaceChildren(...(nodes.length ? nodes : [element("p", "Redis does not answer.", {class: "cache-note"})]));
    }

    function showEnded() {
        const lives = figures.ended.map(({name, count, percent}) => {
            const item = element("li", "", {"data-ended-by": name});
            const bar = element("span", "", {class: "cache-bar", "aria-hidden": "true"});
            const fill = element("span");
            fill.style.width = `${percent}%`;
            bar.append(fill);
            item.append(element("span", name), bar, element("b", `${count} (${Math.round(percent)} %)`));
            return item;
        });
        page.querySelector("[data-ended]").replaceChildren(...lives);
    }

    function showOperations() {
        const rows = figures.operations.map((cells) => {
            const row = element("tr");
            row.append(...cells.map((text) => element("td", text)));
            return row;
        });
        page.querySelector("[data-operations]").replaceChildren(...rows);
        page.querySelector("[data-operations]").closest("table").hidden = rows.length === 0;
        page.querySelector("[data-no-operations]").hidden = rows.length > 0;
    }

    function show() {
        showTexts();
        showHealth();
        showNotices();
        showNodes();
        showEnded();
        showOperations();
        cacheCharts.show(figures.charts, figures.answers);
        document.dispatchEvent(new CustomEvent("cache:answers", {detail: figures.answers}));
    }

    show();
    cachePolling.start(async () => {
        figures = await (await cachePolling.get(page.dataset.figuresUrl)).json();
        show();
    }, 2000);
    // The theme changes by a class of the root element; a chart's colours are read when it is drawn.
    new MutationObserver(() => cacheCharts.show(figures.charts, figures.answers)).observe(document.documentElement, {attributes: true, attributeFilter: ["class"]});
})();
