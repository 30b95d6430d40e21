"use strict";

// What Alpine does in the fields of the form that are more than text; their templates say where.

/** Fill a field as if somebody had typed. */
function fillField(field, value) {
    if (field.type === "checkbox") field.checked = value === "on";
    else field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** The plural is the label's regular plural until somebody types something else. */
function pluralField(rules) {
    return {
        init() {
            const [plural, label] = [this.$el, document.getElementById("id_label")];
            const suggest = () => {
                const text = label.value.trim();
                const rule = rules.find(([pattern]) => new RegExp(pattern, "i").test(text));
                return rule ? text.slice(0, text.length - rule[2]) + rule[1] : "";
            };
            let suggested = suggest();
            label.addEventListener("input", () => {
                const follows = ["", suggested].includes(plural.value);
                suggested = suggest();
                if (follows) plural.value = suggested;
            });
        },
    };
}

/** A text field of codes as a list: types are found by typing, and ordered by dragging and by buttons. */
function childrenField(searchUrl) {
    return {
        codes: [],
        labels: {},
        found: [], // code and label of each type that is offered
        active: 0,
        hint: "",
        status: "",
        dragged: -1,

        init() {
            this.text = this.$root.querySelector("input");
            this.text.type = "hidden";
            this.labels = JSON.parse(this.$root.querySelector("script").textContent);
            this.read();
        },

        read() {
            this.codes = this.text.value.split(/[\s,]+/).filter(Boolean);
        },

        name(code) {
            return this.labels[code] ?? code;
        },

        async ask(pauseMs = 0) {
            this.asking?.abort();
            const { signal } = (this.asking = new AbortController());
            await new Promise((resume) => setTimeout(resume, pauseMs));
            try {
                const query = new URLSearchParams({ q: this.$refs.search.value, without: this.codes });
                const answer = await fetch(`${searchUrl}?${query}`, { redirect: "error", signal });
                if (!answer.ok) throw new Error(answer.statusText);
                const { types, more } = await answer.json();
                if (document.activeElement !== this.$refs.search) return;
                this.found = Object.entries(types);
                this.active = 0;
                this.hint = more ? "There are more: type on." : this.found.length ? "" : "No other entity type has this in its label or code.";
            } catch (error) {
                if (error.name !== "AbortError") this.hint = "Entity types can't be searched now.";
            }
        },

        point(step) {
            if (this.found.length) this.active = (this.active + step + this.found.length) % this.found.length;
            else this.ask();
        },

        close() {
            this.asking?.abort();
            this.found = [];
            this.hint = "";
        },

        add([code, label]) {
            this.labels[code] = label;
            this.$refs.search.value = "";
            this.close();
            this.change([...this.codes, code], `${label} added, position ${this.codes.length + 1} of ${this.codes.length + 1}.`);
        },

        remove(index) {
            this.change(this.codes.toSpliced(index, 1), `${this.name(this.codes[index])} removed.`);
            this.focusButton(Math.min(index, this.codes.length - 1), "remove");
        },

        move(index, target, button) {
            this.codes = this.codes.toSpliced(index, 1).toSpliced(target, 0, this.codes[index]);
            this.tellPlace(target);
            this.focusButton(target, button);
        },

        drag(event, index) {
            if (event.button !== 0) return;
            this.dragged = index;
            this.codesBefore = this.codes;
            this.$refs.list.setPointerCapture(event.pointerId);
        },

        dragTo(y) {
            if (this.dragged < 0) return;
            const others = [...this.$refs.list.querySelectorAll("li")].toSpliced(this.dragged, 1).map((item) => item.getBoundingClientRect());
            const target = others.filter(({ top, height }) => top + height / 2 < y).length;
            this.codes = this.codes.toSpliced(this.dragged, 1).toSpliced(target, 0, this.codes[this.dragged]);
            this.dragged = target;
        },

        endDrag(dropped) {
            if (this.dragged < 0) return;
            if (!dropped) this.codes = this.codesBefore;
            else if (this.codes.join() !== this.codesBefore.join()) this.tellPlace(this.dragged);
            this.dragged = -1;
        },

        tellPlace(index) {
            this.change(this.codes, `${this.name(this.codes[index])} is now at position ${index + 1} of ${this.codes.length}.`);
        },

        change(codes, said) {
            this.codes = codes;
            this.status = said;
            fillField(this.text, codes.join(", "));
        },

        /** Or its neighbour, if it has nothing to do any more; without items the search. */
        focusButton(index, name) {
            const { list, search } = this.$refs; // out of reach once the pressed button is gone
            this.$nextTick(() => {
                const buttons = [...(list.querySelectorAll("li")[index]?.querySelectorAll("button:enabled") ?? [])];
                (buttons.find((button) => button.dataset.action === name) ?? buttons[0] ?? search).focus();
            });
        },
    };
}

/** A dialog to search all icons by name and meaning. They are fetched when it is first opened; typing a name goes on working. */
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
            if (!this.field().value && !search.value) this.suggest(document.getElementById("id_label").value.trim().toLowerCase());
            this.show();
            if (!search.value) this.point(found.findIndex(({ title }) => title === drawing.firstElementChild?.dataset.icon));
        },

        /** Begin with what the label says, where that finds something: typing replaces it. */
        suggest(label) {
            this.$refs.search.value = [label, ...label.split(/\s+/).reverse()].find((each) => each && matches(each).length) ?? "";
            this.$refs.search.select();
        },

        show() {
            const wanted = this.$refs.search.value.trim();
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
            for (const pointed of this.$refs.grid.querySelectorAll("#icon-pointed")) Object.assign(pointed, { id: "", ariaSelected: "false" });
            this.active = index;
            if (index < 0) return;
            this.showMore(index);
            Object.assign(found[index], { id: "icon-pointed", ariaSelected: "true" }).scrollIntoView({ block: "nearest" });
        },

        onKey(event) {
            if (event.key === "Enter") {
                event.preventDefault();
                this.choose(found[this.active]);
                return;
            }
            const { grid } = this.$refs;
            const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
            const page = columns * Math.max(1, Math.floor(grid.clientHeight / (grid.firstElementChild?.offsetHeight || 1)) - 1);
            const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page };
            if (event.target === grid) Object.assign(steps, { Home: -found.length, End: found.length });
            const step = steps[event.key];
            if (!step || !found.length || (this.active < 0 && event.key === "ArrowLeft")) return;
            event.preventDefault();
            this.point(this.active < 0 ? 0 : Math.max(0, Math.min(found.length - 1, this.active + step)));
        },

        choose(icon) {
            if (!icon) return;
            fillField(this.field(), icon.title);
            this.$refs.dialog.close();
        },

        field() {
            return this.$root.querySelector("input");
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
