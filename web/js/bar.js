// The bar at the foot of a node: model and price before a run, the stage while it runs, the cost after it.
// A DOM widget, because badges do not change in Nodes 2.0; it is saved neither with the workflow nor in the prompt.

import { nameOf, remarksOn, remarksOnOptions } from "./accepts.js";
import { element } from "./element.js";
import { changed } from "./host/changes.js";
import { mount } from "./host/elements.js";
import { isLoading } from "./host/frontend.js";
import { askedOf, classOf, hasWidget, isSettable, places, setWidget, valueOf, watchInputs } from "./host/graph.js";
import { findModel } from "./models.js";
import { OPTIONS, canChoose, chooseModel, isPaid, slugsOf, worthOf } from "./nodes.js";
import { IDLE, forget, recall } from "./outcomes.js";
import { openPicker } from "./picker.js";
import { money, t } from "./text.js";

const TALL = 82;
const SHORT = 30;
const RATIOS = ["1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16"];
const SIZES = ["1024x1024", "1536x1024", "1024x1536"];

const bars = new WeakMap();

/** Give `node` its bar. */
export function addBar(node) {
  if (bars.has(node)) return;
  const bar = isPaid(node) ? new PaidBar(node) : new Bar(node);
  bars.set(node, bar);
  watchInputs(node);
  changed();
}

/** The bar of a node; undefined for nodes of others. */
export function barOf(node) {
  return bars.get(node);
}

/** Show on all bars what the widgets say now, and what was last said of each node. */
export function refreshBars() {
  const said = new Map();
  for (const { node, id } of places()) {
    const bar = bars.get(node);
    if (!bar) continue;
    // A node that was made for its own sake has not run, even if its id was that of another.
    if (bar.isNew) forget(id);
    const [now, before] = [recall(id), said.get(bar)];
    said.set(bar, !before || (now && now.at > before.at) ? now : before);
  }
  for (const [bar, told] of said) {
    bar.isNew = false;
    bar.refresh(told);
  }
}

class Bar {
  constructor(node, height = SHORT) {
    this.node = node;
    this.isNew = !isLoading();
    this.stage = element("span", { role: "status" });
    this.seconds = element("span");
    this.status = element("div", { class: "lumenfall-status" }, this.stage, this.seconds);
    this.root = element("div", { class: "lumenfall-bar", dataset: { state: IDLE.kind } }, this.status);
    mount(node, "lumenfall_bar", this.root, height);
  }

  /** Show what was last said of the node, as outcomes.js has it; what is to be said before a run, where nothing was. */
  refresh({ kind, text, title, asked } = IDLE) {
    const remarks = kind === "running" ? [] : this.remarks();
    // What has run is not remarked on, until what was asked has been changed and would be paid anew.
    const isChanged = remarks.length > 0 && asked !== undefined && asked !== askedOf(this.node);
    if (kind !== IDLE.kind && !isChanged) remarks.length = 0;
    const shown = remarks.join(" ") || text;
    this.root.dataset.state = kind;
    this.root.classList.toggle("remarks", remarks.length > 0);
    // What is written anew is read out anew, and so only a new stage is.
    const [stage, seconds] = split(shown);
    if (this.stage.textContent !== stage) this.stage.textContent = stage;
    if (this.seconds.textContent !== seconds) this.seconds.textContent = seconds;
    this.status.title = title ?? shown;
  }

  remarks() {
    return classOf(this.node) === OPTIONS ? remarksOnOptions(this.node) : [];
  }
}

/** A stage, and for how long it has lasted: see nodes/host/waiting.py. */
function split(text) {
  const [seconds] = text.match(/ \(\d+ s\)$/) ?? [""];
  return [text.slice(0, text.length - seconds.length), seconds];
}

class PaidBar extends Bar {
  constructor(node) {
    super(node, TALL);
    this.model = element("button", {
      class: "lumenfall-model",
      type: "button",
      "aria-haspopup": "dialog",
      onclick: () => this.pick(),
    });
    this.price = element("output", { class: "lumenfall-price" });
    this.sizes = hasWidget(node, "size") ? this.sizeMenu() : null;
    this.root.prepend(element("div", { class: "lumenfall-choice" }, this.model, this.sizes, this.price));
  }

  pick() {
    const { node } = this;
    openPicker({
      nodeClass: classOf(node),
      current: slugsOf(node)?.[0] ?? "",
      onpick: (slug) => chooseModel(node, slug),
    });
  }

  sizeMenu() {
    const menu = element("select", { class: "lumenfall-sizes" });
    menu.addEventListener("change", () => {
      setWidget(this.node, "size", menu.value);
    });
    return menu;
  }

  remarks() {
    return remarksOn(this.node);
  }

  refresh(told) {
    super.refresh(told);
    const slugs = slugsOf(this.node);
    const model = slugs?.length ? findModel(slugs[0]) : undefined;
    const name = model ? nameOf(model) : (slugs?.[0] ?? t("node.linkedModel"));
    const count = slugs?.length ?? 0;
    this.model.textContent = count > 1 ? t("node.severalModels", { count }) : name;
    this.model.title = t("node.choose");
    this.model.disabled = !canChoose(this.node);
    this.showSizes(model);
    this.showPrice();
  }

  /** The menu shows the size that is set: else an arrow key, which goes on from there, would reach but the first. */
  showSizes(model) {
    if (!this.sizes) return;
    const size = valueOf(this.node, "size");
    const offered = ["auto", ...(model?.sizes?.length ? model.sizes : SIZES), ...RATIOS];
    const sizes = [...new Set(size === undefined || offered.includes(size) ? offered : [size, ...offered])];
    this.sizes.title = t("node.sizes");
    this.sizes.setAttribute("aria-label", t("node.sizes"));
    const shown = [t("node.size"), ...sizes].join();
    if (this.sizes.dataset.sizes !== shown) {
      this.sizes.dataset.sizes = shown;
      const linked = element("option", { value: "", text: t("node.size"), disabled: true, hidden: true });
      this.sizes.replaceChildren(linked, ...sizes.map((each) => element("option", { value: each, text: each })));
    }
    this.sizes.value = size ?? "";
    this.sizes.disabled = !isSettable(this.node, "size");
  }

  showPrice() {
    const worth = worthOf(this.node);
    const amount = money(worth.amount, worth.currency);
    if (!worth.amount) this.price.textContent = worth.known ? amount : t("node.unknownPrice");
    else this.price.textContent = (worth.known ? "\u2248 " : "\u2265 ") + amount;
    this.price.title = worth.count > 1 ? t("node.pricePer", { count: worth.count }) : t("node.priceOne");
  }
}
