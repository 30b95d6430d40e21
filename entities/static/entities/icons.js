"use strict";

/** A dialog to search all icons by name and meaning, fetched when it is first opened; typing a name goes on working. */
function iconField(url) {
    let icons = [];
    let found = [];

    return {
        said: "",
        active: -1,

        async open() {
            const { dialog, search, drawing } = this.$refs;
            search.value = "";
            this.said = "Loading…";
            dialog.showModal();
            search.focus();
            try {
                if (!icons.length) {
                    const answer = await fetch(url, { redirect: "error" });
                    if (!answer.ok) throw new Error(answer.statusText);
                    const all = Object.assign(document.createElement("template"), { innerHTML: await answer.text() });
                    icons = [...all.content.children];
                }
            } catch {
                this.said = "The icons can't be loaded now. Close this and type the icon's name.";
                return;
            }
            if (!this.$root.querySelector("input").value && !search.value) this.suggest();
            this.show();
            const current = drawing.firstElementChild?.dataset.icon;
            if (!search.value) this.point(found.findIndex(({ title }) => title === current));
        },

        /** Begin with what the label says, where that finds something: typing replaces it. */
        suggest() {
            const { search } = this.$refs;
            const label = document.getElementById("id_label").value.trim().toLowerCase();
            const words = [label, ...label.split(/\s+/).reverse()];
            search.value = words.find((each) => each && matches(each).length) ?? "";
            search.select();
        },

        show() {
            const wanted = this.$refs.search.value.trim();
            this.point(-1);
            found = matches(wanted);
            this.said = found.length === 1 ? "1 icon" : `${found.length || "No"} icons`;
            this.$refs.grid.replaceChildren();
            this.showMore();
            this.point(wanted && found.length ? 0 : -1);
        },

        showMore(after = this.$refs.grid.children.length) {
            this.$refs.grid.append(...found.slice(this.$refs.grid.children.length, after + 240));
        },

        point(index) {
            if (found[this.active]) Object.assign(found[this.active], { id: "", ariaSelected: "false" });
            this.active = index;
            if (index < 0) return;
            this.showMore(index);
            Object.assign(found[index], { id: "icon-pointed", ariaSelected: "true" });
            found[index].scrollIntoView({ block: "nearest" });
        },

        onKey(event) {
            const { grid } = this.$refs;
            const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
            const rows = Math.floor(grid.clientHeight / (grid.firstElementChild?.offsetHeight || 1));
            const page = columns * Math.max(1, rows - 1);
            const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
            Object.assign(steps, { PageDown: page, PageUp: -page });
            if (event.target === grid) Object.assign(steps, { Home: -found.length, End: found.length });
            const step = steps[event.key];
            if (!step || !found.length || (this.active < 0 && event.key === "ArrowLeft")) return;
            event.preventDefault();
            this.point(this.active < 0 ? 0 : Math.max(0, Math.min(found.length - 1, this.active + step)));
        },

        choose(icon = found[this.active]) {
            if (!icon) return;
            fillField(this.$root.querySelector("input"), icon.title);
            this.$refs.dialog.close();
        },
    };

    /** All that have each word in name or tags, the nearest first, of those the plainest. */
    function matches(wanted) {
        const words = wanted.toLowerCase().split(/[\s-]+/).filter(Boolean);
        const rank = ({ dataset: { names, tags } }, word) => [names.includes(` ${word} `), tags.includes(` ${word} `),
            names.includes(` ${word}`), tags.includes(` ${word}`), names.includes(word), true].indexOf(true);
        const ranked = icons.map((icon) => [icon, words.map((word) => rank(icon, word))]);
        const sum = (ranks) => ranks.reduce((one, other) => one + other, 0);
        const hits = ranked.filter(([, ranks]) => ranks.every((each) => each < 5));
        if (words.length) hits.sort(([one, a], [other, b]) => sum(a) - sum(b) || one.title.length - other.title.length);
        return hits.map(([icon]) => icon);
    }
}
