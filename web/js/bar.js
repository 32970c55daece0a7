// The bar at the foot of a node: model and price before a run, the stage while it runs, the cost after it.
// A DOM widget, because badges do not change in Nodes 2.0; it is saved neither with the workflow nor in the prompt.

import { nameOf, remarksOn, remarksOnOptions } from "./accepts.js";
import { element } from "./element.js";
import { changed } from "./host/changes.js";
import { mount } from "./host/elements.js";
import { allNodes, classOf, hasWidget, isLinked, setWidget, watchInputs } from "./host/graph.js";
import { findModel } from "./models.js";
import { OPTIONS, isPaid, slugsOf, worthOf } from "./nodes.js";
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

/** Show on all bars what the widgets say now. */
export function refreshBars() {
  for (const node of allNodes()) bars.get(node)?.refresh();
}

class Bar {
  constructor(node, height = SHORT) {
    this.node = node;
    this.status = element("div", { class: "lumenfall-status", role: "status" });
    this.root = element("div", { class: "lumenfall-bar" }, this.status);
    mount(node, "lumenfall_bar", this.root, height);
    this.say("");
  }

  refresh() {
    if (classOf(this.node) !== OPTIONS) return;
    this.remark(remarksOnOptions(this.node));
  }

  /** `kind` is idle, running, done, replayed or error. */
  say(text, kind = "idle", title = text) {
    this.kind = kind;
    this.status.textContent = text;
    this.status.title = title;
    this.root.dataset.state = kind;
  }

  remark(remarks) {
    if (this.kind === "idle") this.say(remarks.join(" "), "idle");
    this.root.classList.toggle("remarks", this.kind === "idle" && remarks.length > 0);
  }

  progress(text) {
    this.say(text, "running");
  }

  /** `report` is what the node says of itself, see nodes/report.py. */
  finish(report) {
    const facts = [report.replayed ? t("node.replayed", { price: money(0, report.currency) }) : cost(report)];
    if (report.provider && !report.replayed) facts.push(report.provider);
    if (report.seconds && !report.replayed) facts.push(t("node.seconds", { count: Math.round(report.seconds) }));
    if (report.failures?.length) facts.push(t("node.failed", { count: report.failures.length }));
    const notes = report.notes ?? [];
    const title = [report.executed_model ?? report.model, report.request_id, ...notes].filter(Boolean).join("\n");
    this.say(
      facts.join(" \u00b7 ") + (notes.length ? ` \u00b7 ${t("node.notes", { count: notes.length })}` : ""),
      report.replayed ? "replayed" : "done",
      title,
    );
  }

  fail(message) {
    this.say(message, "error");
  }
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
      onpick: (slug) => setWidget(node, "model", slug),
    });
  }

  sizeMenu() {
    const menu = element("select", { class: "lumenfall-sizes", "aria-label": t("node.sizes"), title: t("node.sizes") });
    menu.addEventListener("change", () => {
      setWidget(this.node, "size", menu.value);
      menu.selectedIndex = 0;
    });
    return menu;
  }

  refresh() {
    const slugs = slugsOf(this.node);
    const model = slugs?.length ? findModel(slugs[0]) : undefined;
    const name = model ? nameOf(model) : (slugs?.[0] ?? t("node.linkedModel"));
    const count = slugs?.length ?? 0;
    this.model.textContent = count > 1 ? t("node.severalModels", { count }) : name;
    this.model.title = t("node.choose");
    this.model.disabled = isLinked(this.node, "model");
    this.showSizes(model);
    this.showPrice();
    this.remark(remarksOn(this.node));
  }

  showSizes(model) {
    const sizes = [...new Set(["auto", ...(model?.sizes?.length ? model.sizes : SIZES), ...RATIOS])];
    if (!this.sizes || this.sizes.dataset.sizes === sizes.join()) return;
    this.sizes.dataset.sizes = sizes.join();
    const choices = sizes.map((size) => element("option", { value: size, text: size }));
    this.sizes.replaceChildren(
      element("option", { text: t("node.size"), disabled: true, selected: true, hidden: true }),
      ...choices,
    );
  }

  showPrice() {
    const worth = worthOf(this.node);
    const amount = money(worth.amount, worth.currency);
    if (!worth.amount) this.price.textContent = worth.known ? amount : t("node.unknownPrice");
    else this.price.textContent = (worth.known ? "\u2248 " : "\u2265 ") + amount;
    this.price.title = worth.count > 1 ? t("node.pricePer", { count: worth.count }) : t("node.priceOne");
  }
}

function cost(report) {
  const costs = Object.entries(report.costs ?? {});
  if (costs.length > 1) return costs.map(([currency, amount]) => money(amount, currency)).join(" + ");
  return report.cost === null || report.cost === undefined
    ? t("node.unknownCost")
    : money(report.cost, report.currency);
}
