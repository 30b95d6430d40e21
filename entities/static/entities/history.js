/* Only versions older than the newer choice can be chosen as the older one: the other buttons are disabled. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector("[data-history]");
    if (!form) return;
    const olds = [...form.querySelectorAll("input[name=old]")];
    const news = [...form.querySelectorAll("input[name=new]")];

    const offerOnlyOlder = () => {
        const chosen = (radios) => Number(radios.find((radio) => radio.checked)?.value);
        const [old, new_] = [chosen(olds), chosen(news)];
        for (const radio of olds) radio.disabled = Number(radio.value) >= new_;
        for (const radio of news) radio.disabled = Number(radio.value) <= old;
    };

    form.addEventListener("change", offerOnlyOlder);
    window.addEventListener("pageshow", offerOnlyOlder); // a browser going back keeps what was chosen
    offerOnlyOlder();
});
