// The models of a comparison, above the list of the picker: which of them is chosen anew, one more, one less.

import { nameOfSlug } from "./accepts.js";
import { element } from "./element.js";
import { t } from "./text.js";

const MOST = 8; // MAX_MODELS of nodes/compare.py

export class Contenders {
  /**
   * `onturn` is called with the slug in whose place is chosen now, empty for one more; `onchange` with all of them.
   *
   * @param {string[]} slugs
   * @param {(slug: string) => unknown} onturn
   * @param {(slugs: string[]) => unknown} onchange
   */
  constructor(slugs, onturn, onchange) {
    this.slugs = [...slugs];
    this.onturn = onturn;
    this.onchange = onchange;
    this.place = 0;
    this.root = element("div", {
      class: "lumenfall-chips lumenfall-contenders",
      role: "group",
      "aria-label": t("picker.contenders"),
    });
    this.show();
  }

  show() {
    const chips = this.slugs.map((slug, place) => this.chip(nameOfSlug(slug), place));
    if (this.slugs.length < MOST) chips.push(this.chip(t("picker.add"), this.slugs.length));
    if (this.slugs.length > 1 && this.place < this.slugs.length)
      chips.push(
        element("button", {
          class: "lumenfall-button",
          type: "button",
          text: t("picker.remove", { model: nameOfSlug(this.slugs[this.place]) }),
          onclick: () => this.remove(),
        }),
      );
    this.root.replaceChildren(...chips);
  }

  chip(text, place) {
    return element("button", {
      class: "lumenfall-chip",
      type: "button",
      text,
      "aria-pressed": String(place === this.place),
      onclick: () => this.turn(place),
    });
  }

  turn(place) {
    this.place = place;
    this.show();
    this.onturn(this.slugs[place] ?? "");
  }

  /** Choose a model here. One that is compared already is not asked twice. */
  put(slug) {
    const known = this.slugs.indexOf(slug);
    if (known < 0) this.slugs[this.place] = slug;
    if (known < 0) this.onchange([...this.slugs]);
    this.turn(known < 0 ? this.place : known);
  }

  remove() {
    this.slugs.splice(this.place, 1);
    this.onchange([...this.slugs]);
    this.turn(Math.max(0, this.place - 1));
  }
}
