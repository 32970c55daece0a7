// The pictures of a node's last run, on the node. They take a place of their own below the bar: what its user has sized
// stays as it is.

import { openDialog } from "./dialog.js";
import { element } from "./element.js";
import { lendHeight, livingNode, mount, ownHeight, passToCanvas } from "./host/elements.js";
import { hidePicture, isPictureHidden } from "./host/folding.js";
import { classOf, hasWidget, neededHeight, titleOf, valueOf, widthOf } from "./host/graph.js";
import { t } from "./text.js";
import { View, tool } from "./view.js";

// Pixels.
const MOST = 300; // of a picture's height
const BESIDES = 30; // what stands under it
const WORDS = 13_000; // square pixels for words on why there is no picture
const FOLDED = 24; // the button that brings it back
const MARGINS = 20; // which the canvas keeps free around an element

/** @type {WeakMap<object, Result>} */
const results = new WeakMap();

/** Show the pictures of what was last said of a node, as outcomes.js has it; those of before, until there are others. */
export function showResult(node, told) {
  const shown = told?.report?.shown;
  if (!results.has(node) && !shown?.length) return;
  const result = results.get(node) ?? new Result(node);
  results.set(node, result);
  result.refresh(shown?.length ? shown : result.shown);
}

class Result {
  constructor(node) {
    this.node = node;
    this.shown = null;
    this.height = 0;
    // Half of each is a sight where both show the same; variations do not.
    const start = classOf(node) === "LumenfallVariations" ? 0 : undefined;
    const ontrouble = () => this.refresh(this.shown);
    this.view = new View({ near: node, ontrouble, start, tools: () => this.tools() });
    this.unfold = element("button", { class: "lumenfall-more", type: "button", onclick: () => this.fold(false) });
    this.root = element("div", { class: "lumenfall-result" }, this.view.root, this.unfold);
    passToCanvas(this.root);
    mount(node, "lumenfall_result", this.root, () => this.height + MARGINS, t("picture.result"));
  }

  fold(isHidden) {
    hidePicture(livingNode(this.node), isHidden);
    this.refresh(this.shown);
  }

  tools() {
    return [tool("enlarge", "pi-window-maximize", () => this.enlarge()), tool("hide", "pi-angle-up", () => this.fold(true))];
  }

  refresh(shown) {
    const isHidden = isPictureHidden(this.node);
    const words = t("picture.show");
    if (shown !== this.shown) {
      this.shown = shown;
      const prompt = valueOf(this.node, "prompt");
      this.view.show(shown.map((each) => ({ ...each, words: prompt })));
    } else if (words !== this.unfold.textContent) {
      this.view.refresh(); // in another language
    }
    this.unfold.textContent = words;
    this.unfold.hidden = !isHidden;
    this.view.root.hidden = isHidden;
    const { width = 1, height = 1 } = shown[0];
    const fitting = this.view.isTroubled ? WORDS / widthOf(this.node) + 20 : ((widthOf(this.node) - MARGINS) * height) / width;
    this.height = isHidden ? FOLDED : Math.round(Math.min(MOST, fitting)) + BESIDES;
    this.root.style.minHeight = `${this.height}px`;
    lendHeight(this.node, Math.max(0, this.height + MARGINS - this.slack()));
  }

  /** What the node has left over, which a prompt would take. */
  slack() {
    if (hasWidget(this.node, "prompt")) return 0;
    return Math.max(0, ownHeight(this.node) - (neededHeight(this.node) - this.height - MARGINS));
  }

  /** As large as the page, with the same tools. */
  enlarge() {
    const { number } = this.view;
    const view = new View({ near: this.node, leave: () => dialog.close(), start: this.view.at });
    view.isMasked = this.view.isMasked;
    const dialog = openDialog({
      title: titleOf(this.node) ?? t("picture.result"),
      className: "lumenfall-large",
      onclose: () => view.destroy(),
      render: (body) => {
        body.append(view.root);
        view.show(this.view.shown, number);
      },
    });
  }
}
