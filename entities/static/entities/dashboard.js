"use strict";

/** The dashboard, which refreshes itself from the server every two seconds. */
(() => {
    const page = document.querySelector("[data-dashboard]");
    const draw = () => cacheCharts.show(JSON.parse(document.getElementById("cache-charts").textContent));

    draw();
    cachePolling.start(async () => {
        cachePolling.show(await cachePolling.get(page.dataset.figuresUrl));
        draw();
    }, 2000);
    // The theme changes by a class of the root element; a chart's colours are read when it is drawn.
    new MutationObserver(draw).observe(document.documentElement, {attributes: true, attributeFilter: ["class"]});
})();
