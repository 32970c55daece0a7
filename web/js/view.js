// A picture to be looked at: beside what it was made of, with the mask over it, and with what can be done with it.

import { element } from "./element.js";
import { actionsOn, addressOf, addressOfFile, attempt } from "./pictures.js";
import { told } from "./server.js";
import { percent, t } from "./text.js";

const STEP = 5; // percent, of an arrow key
const LEAP = 20; // of Page Up and Page Down
const TOLD = 2000; // milliseconds for which a button says that it is done

/**
 * A picture of a run, as nodes/contract/shown.py tells of it: {width, height}, a Picture, and the files `before` and `mask`,
 * whose `share` of the picture is given; `name` is whose it is.
 *
 * @typedef {import("./pictures.js").Picture & {width?: number, height?: number, before?: string, mask?: string,
 *   share?: number, middle?: number, name?: string}} Shown
 */

export class View {
  /**
   * @param {object} about
   * @param {any} [about.near] the node that it is shown on
   * @param {() => void} [about.ontrouble] called when it begins or ends that there is nothing to be seen
   * @param {number} [about.start] how much of what it was made of is seen at first, in percent; else half of what the
   *   mask covers
   * @param {() => void} [about.leave] called before anything is done that is seen on the canvas
   * @param {() => HTMLElement[]} [about.tools] makes further buttons
   */
  constructor({ near, leave, ontrouble, start, tools = () => [] } = {}) {
    this.place = { near, leave };
    this.ontrouble = ontrouble;
    this.at = start ?? 50;
    this.isPlaced = start !== undefined;
    this.further = tools;
    this.isMasked = false;
    this.number = 0;
    /** @type {Shown[]} */
    this.shown = [];
    this.after = element("img", { draggable: false });
    this.before = element("img", { class: "lumenfall-before", alt: "", draggable: false });
    this.mask = element("div", { class: "lumenfall-mask", hidden: true });
    this.knob = element("div", { class: "lumenfall-knob", role: "slider", tabIndex: 0, onkeydown: (event) => this.press(event) });
    this.knob.setAttribute("aria-valuemin", "0");
    this.knob.setAttribute("aria-valuemax", "100");
    this.tags = ["before", "after"].map((side) => element("span", { class: `lumenfall-tag ${side}`, "aria-hidden": "true" }));
    this.name = element("span", { class: "lumenfall-tag name" });
    this.earlier = this.turner("pi-angle-left", -1);
    this.later = this.turner("pi-angle-right", 1);
    this.count = element("span", { role: "status" });
    this.caption = element("span", { class: "lumenfall-tag caption" });
    this.takes = element("div", { class: "lumenfall-takes" }, this.earlier, this.count, this.later);
    this.takes.addEventListener("pointerdown", (event) => event.stopPropagation());
    this.frame = element(
      "div",
      { class: "lumenfall-frame" },
      [this.after, this.before, this.mask, this.tags, this.name, this.caption, this.knob, this.takes],
    );
    this.trouble = element("p", { class: "lumenfall-muted", role: "status", hidden: true });
    this.tools = element("div", { class: "lumenfall-tools", role: "group" });
    const stage = element("div", { class: "lumenfall-stage" }, this.frame, this.trouble);
    this.root = element("div", { class: "lumenfall-view" }, stage, this.tools);
    this.followPointer();
    this.seen = new IntersectionObserver((entries) => {
      this.isSeen = entries.at(-1)?.isIntersecting;
      if (this.isSeen) this.load();
    });
    this.seen.observe(this.root);
  }

  destroy() {
    this.seen.disconnect();
  }

  /** Show these pictures, and one of them at first. @param {Shown[]} shown */
  show(shown, number = 0) {
    this.shown = shown;
    const { middle = 0.5 } = shown[number];
    if (!this.isPlaced) this.at = Math.min(90, Math.max(10, middle * 100));
    this.turnTo(number);
  }

  get current() {
    return this.shown[this.number];
  }

  /** Show one of them. */
  turnTo(number) {
    this.number = (number + this.shown.length) % this.shown.length;
    this.loaded = null;
    for (const image of [this.after, this.before]) image.removeAttribute("src");
    this.mask.style.removeProperty("--mask");
    this.refresh();
    if (this.isSeen) this.load();
  }

  /** Say it all anew, as in another language. */
  refresh() {
    const { width = 1, height = 1, before, mask, name = "", words, share = 0 } = this.current;
    const picture = t("sidebar.picture", { number: this.number + 1 });
    this.root.style.setProperty("--shape", String(width / height));
    this.after.alt = words || picture;
    this.name.textContent = name;
    this.name.hidden = !name;
    this.tags.forEach((tag, index) => (tag.textContent = t(index ? "picture.after" : "picture.before")));
    for (const part of [this.before, this.knob, ...this.tags]) part.hidden = !before;
    this.knob.setAttribute("aria-label", t("picture.compare"));
    this.moveTo(this.at);
    const isMasked = Boolean(mask) && this.isMasked;
    this.mask.hidden = !isMasked;
    this.caption.hidden = !isMasked;
    this.caption.textContent = t("picture.mask", { share: percent(share) });
    this.caption.title = t("picture.maskTold");
    this.takes.hidden = this.shown.length < 2;
    this.count.textContent = `${this.number + 1}/${this.shown.length}`;
    this.count.setAttribute("aria-label", picture);
    this.earlier.setAttribute("aria-label", (this.earlier.title = t("picture.earlier")));
    this.later.setAttribute("aria-label", (this.later.title = t("picture.later")));
    this.tools.setAttribute("aria-label", picture);
    const buttons = actionsOn(this.current, this.place).map(({ name: action, icon, run }) => tool(action, icon, run));
    const toggle = tool("showMask", "pi-eye", () => {
      this.isMasked = !this.isMasked;
      this.refresh();
      this.load();
      // The button was made anew.
      /** @type {HTMLElement | null} */ (this.tools.querySelector("[aria-pressed]"))?.focus();
    });
    toggle.setAttribute("aria-pressed", String(isMasked));
    this.tools.replaceChildren(...(mask ? [toggle] : []), ...buttons, ...this.further());
  }

  /** Fetch what is to be seen, once. */
  async load() {
    const shown = this.current;
    if (!shown) return;
    try {
      if (this.loaded !== shown) {
        this.loaded = shown;
        const [after, before] = await Promise.all([addressOf(shown), shown.before && addressOfFile(shown.before)]);
        if (shown !== this.current) return;
        this.after.src = after;
        if (before) this.before.src = before;
      }
      if (shown.mask && this.isMasked) {
        const mask = await addressOfFile(shown.mask);
        if (shown !== this.current) return;
        this.mask.style.setProperty("--mask", `url("${mask}")`);
      }
      this.tell("");
    } catch (error) {
      if (shown !== this.current) return;
      // Files of a run go when ComfyUI is started anew.
      this.tell(shown.call ? told(error) : t("picture.gone"));
    }
  }

  /** Whether there are words on why there is no picture, and not the picture. */
  get isTroubled() {
    return !this.trouble.hidden;
  }

  tell(trouble) {
    const wasTroubled = this.isTroubled;
    this.trouble.hidden = !trouble;
    this.trouble.textContent = trouble;
    this.frame.hidden = Boolean(trouble);
    if (trouble) this.tools.replaceChildren(...this.further());
    if (this.isTroubled !== wasTroubled) this.ontrouble?.();
  }

  turner(icon, by) {
    const turn = () => this.turnTo(this.number + by);
    return element("button", { class: "lumenfall-tool", type: "button", onclick: turn }, icons(icon));
  }

  /** Whoever has placed it once wants it there for other pictures too. */
  placeAt(at) {
    this.isPlaced = true;
    this.moveTo(at);
  }

  /** Up to where, from the left and in percent, what it was made of is seen. */
  moveTo(at) {
    this.at = Math.min(100, Math.max(0, at));
    const seen = Math.round(this.at);
    this.frame.style.setProperty("--at", `${this.at}%`);
    this.knob.setAttribute("aria-valuenow", String(seen));
    this.knob.setAttribute("aria-valuetext", t("picture.seen", { share: percent(seen / 100) }));
    this.frame.dataset.side = seen < 15 ? "after" : seen > 85 ? "before" : "both";
  }

  press(event) {
    const steps = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageDown: -LEAP, PageUp: LEAP, Home: -100, End: 100 };
    const by = steps[event.key];
    if (by === undefined) return;
    // ComfyUI moves nodes by the arrows.
    event.preventDefault();
    event.stopPropagation();
    this.placeAt(this.at + by);
  }

  followPointer() {
    const { frame } = this;
    const follow = (/** @type {PointerEvent} */ { clientX }) => {
      const { left, width } = frame.getBoundingClientRect();
      this.placeAt(((clientX - left) / width) * 100);
    };
    frame.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.knob.hidden) return;
      frame.setPointerCapture(event.pointerId);
      follow(event);
      this.knob.focus({ preventScroll: true });
      event.preventDefault();
    });
    frame.addEventListener("pointermove", (event) => frame.hasPointerCapture(event.pointerId) && follow(event));
  }
}

/** A button that is an icon; it says for a moment when it is done, where that is not seen. */
export function tool(action, icon, run) {
  const words = t(`picture.${action}`);
  const button = element("button", { class: "lumenfall-tool", type: "button", title: words, "aria-label": words }, icons(icon));
  button.addEventListener("click", async () => {
    button.disabled = true;
    const isTold = await attempt(run);
    button.disabled = false;
    if (isTold !== true) return;
    button.firstElementChild?.classList.replace(icon, "pi-check");
    button.setAttribute("aria-label", (button.title = t("errors.copied")));
    setTimeout(() => {
      button.firstElementChild?.classList.replace("pi-check", icon);
      button.setAttribute("aria-label", (button.title = words));
    }, TOLD);
  });
  return button;
}

function icons(icon) {
  return element("i", { class: `pi ${icon}`, "aria-hidden": "true" });
}
