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
                const none = this.found.length ? "" : "No other entity type has this in its label or code.";
                this.hint = more ? "There are more: type on." : none;
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
            const number = this.codes.length + 1;
            this.change([...this.codes, code], `${label} added, position ${number} of ${number}.`);
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
            const others = [...this.$refs.list.querySelectorAll("li")].toSpliced(this.dragged, 1);
            const places = others.map((item) => item.getBoundingClientRect());
            const target = places.filter(({ top, height }) => top + height / 2 < y).length;
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
            const { codes } = this;
            this.change(codes, `${this.name(codes[index])} is now at position ${index + 1} of ${codes.length}.`);
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
