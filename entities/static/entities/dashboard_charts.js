"use strict";

/** Charts, with the same figures as a table. `cacheCharts.show(charts)` draws or redraws them. */
const cacheCharts = (() => {
    const style = (name) => getComputedStyle(document.querySelector(".cache-page")).getPropertyValue(name).trim();

    function datasetsOf(chart, kind) {
        return chart.datasets
            .map(({name, values}, number) => {
                const colour = style(`--cache-series-${kind === "line" ? "reads" : "causes"}-${number + 1}`);
                const common = {label: name, data: values, backgroundColor: kind === "line" ? `${colour}66` : colour, borderColor: colour};
                return kind === "line"
                    ? {...common, fill: number === 0 ? "origin" : "-1", borderWidth: 1.5, pointRadius: 0, pointHitRadius: 8, tension: 0.25}
                    : {...common, borderWidth: 0, maxBarThickness: 18};
            });
    }

    function optionsOf() {
        const text = style("--cache-axis");
        const grid = style("--cache-grid");
        return {
            animation: false,
            responsive: true,
            maintainAspectRatio: false,
            interaction: {mode: "index", intersect: false},
            plugins: {
                legend: {position: "bottom", align: "start", labels: {color: text, boxWidth: 10, boxHeight: 10, padding: 12, font: {size: 12}}},
            },
            scales: {
                x: {stacked: true, grid: {display: false}, border: {color: grid}, ticks: {color: text, maxTicksLimit: 8, maxRotation: 0}},
                y: {stacked: true, beginAtZero: true, grid: {color: grid}, border: {display: false}, ticks: {color: text, precision: 0, maxTicksLimit: 5}},
            },
        };
    }

    function showTable(frame, chart) {
        const row = (cells, tag) => {
            const line = document.createElement("tr");
            cells.forEach((text, number) => {
                const cell = document.createElement(number === 0 ? "th" : tag);
                cell.textContent = typeof text === "number" ? text.toLocaleString("en") : text ?? "not known";
                if (cell.tagName === "TH") {
                    cell.scope = tag === "th" ? "col" : "row";
                }
                line.append(cell);
            });
            return line;
        };
        frame.querySelector("thead").replaceChildren(row(["From, UTC", ...chart.datasets.map(({name}) => name)], "th"));
        const lines = chart.labels.map((label, number) => row([label, ...chart.datasets.map(({values}) => values[number])], "td"));
        frame.querySelector("tbody").replaceChildren(...lines.reverse());
    }

    function showOne(frame, chart) {
        const empty = !chart || !chart.datasets.some(({values}) => values.some(Boolean));
        frame.querySelector(".cache-canvas").hidden = empty;
        frame.querySelector("details").hidden = empty;
        frame.querySelector(".cache-empty").hidden = !empty;
        if (empty) {
            return;
        }
        const data = {labels: chart.labels, datasets: datasetsOf(chart, frame.dataset.kind)};
        const canvas = frame.querySelector("canvas");
        const before = Chart.getChart(canvas);
        if (before) {
            const hidden = before.data.datasets.map((_, number) => !before.isDatasetVisible(number));
            before.data = data;
            data.datasets.forEach((dataset, number) => (dataset.hidden = hidden[number]));
            before.options = optionsOf();
            before.update("none");
        } else {
            new Chart(canvas, {type: frame.dataset.kind, data, options: optionsOf()});
        }
        showTable(frame, chart);
    }

    function show(charts) {
        for (const frame of document.querySelectorAll("[data-chart]")) {
            showOne(frame, charts[frame.dataset.chart]);
        }
    }

    return {show};
})();
