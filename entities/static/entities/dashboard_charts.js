"use strict";

// The dashboard's charts. Chart.js asks for each colour whenever it draws, so they follow the theme.
(() => {
    const style = (name) => getComputedStyle(document.querySelector(".cache-page")).getPropertyValue(name).trim();
    const axis = () => style("--quiet");
    const grid = () => style("--line");
    const reads = ({ datasetIndex }) => style("--cache-reads").split(" ")[datasetIndex];
    const causes = ({ datasetIndex }) => style("--cache-causes").split(" ")[datasetIndex];
    const options = {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        plugins: {
            colors: { enabled: false },
            legend: {
                position: "bottom", align: "start",
                labels: { color: axis, boxWidth: 10, boxHeight: 10, padding: 12, font: { size: 12 } },
            },
        },
        datasets: {
            line: {
                backgroundColor: (context) => `${reads(context)}66`, borderColor: reads, borderWidth: 1.5,
                fill: "stack", pointHitRadius: 8, pointRadius: 0, tension: 0.25,
            },
            bar: { backgroundColor: causes, borderWidth: 0, maxBarThickness: 18 },
        },
        scales: {
            x: {
                stacked: true, grid: { display: false }, border: { color: grid },
                ticks: { color: axis, maxTicksLimit: 8, maxRotation: 0 },
            },
            y: {
                stacked: true, beginAtZero: true, grid: { color: grid }, border: { display: false },
                ticks: { color: axis, precision: 0, maxTicksLimit: 5 },
            },
        },
    };

    function draw() {
        const charts = JSON.parse(document.getElementById("cache-charts").textContent);
        for (const [name, { labels, datasets }] of Object.entries(charts)) {
            const { dataset: { kind: type }, firstElementChild: canvas } = document.getElementById(`chart-${name}`);
            const chart = Chart.getChart(canvas) ?? new Chart(canvas, { type, data: { datasets }, options });
            chart.data.labels = labels;
            // A dataset is the same object all the time, so that one which somebody has hidden stays hidden.
            datasets.forEach((fresh, number) => (chart.data.datasets[number].data = fresh.data));
            chart.update("none");
        }
    }

    draw();
    document.addEventListener("htmx:afterSwap", draw);
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["class"] });
})();
