// The bar at the foot of a node: model and price before a run, the stage while it runs, the cost after it.
// A DOM widget, because badges do not change in Nodes 2.0; it is saved neither with the workflow nor in the prompt.

import { namesOf, remarksOn, remarksOnOptions } from "./accepts.js";
import { element } from "./element.js";
import { fold } from "./folding.js";
import { changed } from "./host/changes.js";
import { livingNode, mount } from "./host/elements.js";
import { isUnfolded, needsUnfolding, unfold } from "./host/folding.js";
import { isLoading } from "./host/frontend.js";
import {
  activeNodes,
  classOf,
  hasWidget,
  isSettable,
  places,
  placesIn,
  setWidget,
  valueOf,
  watchInputs,
  widthOf,
  workflowId,
} from "./host/graph.js";
import { askedOf, nature } from "./host/states.js";
import { findModel } from "./models.js";
import { OPTIONS, canChoose, chooseContenders, chooseModel, contendersOf, isOurs, isPaid, slugsOf, worthOf } from "./nodes.js";
import { IDLE, forget, inherit, recall, together } from "./outcomes.js";
import { openPicker } from "./picker.js";
import { quoteOf, wouldRun } from "./quotes.js";
import { showResult } from "./result.js";
import { replayText, t, worthText } from "./text.js";

const TALL = 82;
const MIDDLE = 52;
const SHORT = 40;
const ROW = 30;
const NARROW = 290; // as in bar.css
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
  const all = [...places()].map(({ node, id }) => ({ node, id, held: [...placesIn(node, id)] }));
  const barred = all.flatMap(({ node, id, held }) => {
    const bar = bars.get(node) ?? holderBar(node, held);
    return bar ? { bar, id, ids: [id, ...held.map((place) => place.id)] } : [];
  });
  findHeirs(barred);
  const said = new Map();
  for (const { bar, ids } of barred) said.set(bar, [...(said.get(bar) ?? []), ...ids.map(recall)]);
  const running = [...activeNodes()].filter(({ node }) => isPaid(node));
  for (const [bar, tolds] of said) {
    bar.isNew = false;
    const told = bar.latest(tolds);
    bar.refresh(told, bar.placesAmong(running));
    showResult(bar.node, told);
  }
}

/** What stood at each place of a workflow when it was last looked at. */
let before = { workflow: "", said: new Map() };

/**
 * A node that was made for its own sake has not run, even if its id was that of another. Where ComfyUI puts a node into a
 * subgraph, or out of one, it makes it anew and says the same; what was said of it goes along.
 */
function findHeirs(barred) {
  const workflow = workflowId();
  const ours = barred.filter(({ bar }) => isOurs(bar.node));
  const said = new Map(ours.map(({ bar, id }) => [id, nature(bar.node)]));
  for (const { bar, id } of ours) if (bar.isNew) forget(id);
  if (before.workflow === workflow) {
    const gone = [...before.said].filter(([id]) => !said.has(id));
    for (const { id } of ours.filter((each) => !before.said.has(each.id) && !recall(each.id))) {
      const at = gone.findIndex(([, words]) => words === said.get(id));
      if (at >= 0) inherit(gone.splice(at, 1)[0][0], id);
    }
  }
  before = { workflow, said };
}

/** The bar of a subgraph's node, made when something paid is in it. */
function holderBar(node, held) {
  if (!held.some((place) => isPaid(place.node))) return undefined;
  const bar = new HolderBar(node);
  bars.set(node, bar);
  return bar;
}

class Bar {
  constructor(node, height = classOf(node) === OPTIONS ? MIDDLE : SHORT) {
    this.node = node;
    this.isNew = !isLoading();
    this.stage = element("span", { role: "status" });
    this.seconds = element("span");
    this.status = element("div", { class: "lumenfall-status" }, this.stage, this.seconds);
    this.more = element("button", {
      class: "lumenfall-more",
      type: "button",
      onclick: () => unfold(livingNode(node), !isUnfolded(livingNode(node))),
    });
    const foot = element("div", { class: "lumenfall-foot" }, this.status, this.more);
    this.root = element("div", { class: "lumenfall-bar", dataset: { state: IDLE.kind } }, foot);
    mount(node, "lumenfall_bar", this.root, () => height + (this.rows(widthOf(node)) - 1) * ROW, t("node.bar"));
  }

  /** Show what was last said of the node, as outcomes.js has it; what is to be said before a run, where nothing was. */
  refresh(told = IDLE) {
    // What cost nothing is said until it is mended.
    const isMended = told.isFree && isPaid(this.node) && told.asked !== askedOf(this.node);
    const { kind, text, title, asked } = isMended ? IDLE : told;
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
    this.showMore();
  }

  /** In how many rows its choices stand. */
  rows(_width) {
    return 1;
  }

  showMore() {
    fold(this.node);
    const isOpen = isUnfolded(this.node);
    this.more.hidden = !needsUnfolding(this.node);
    this.more.textContent = t(isOpen ? "node.less" : "node.more");
    this.more.setAttribute("aria-expanded", String(isOpen));
  }

  remarks() {
    return classOf(this.node) === OPTIONS ? remarksOnOptions(this.node) : [];
  }

  /** Of what was last said at the node's places, what it shows. */
  latest(tolds) {
    return tolds.reduce((last, told) => (told && told.at > (last?.at ?? 0) ? told : last), undefined);
  }

  /** The places, of those that are paid for, that its price is about. */
  placesAmong(running) {
    return running.filter(({ node }) => node === this.node);
  }

  showPrice(price, quote) {
    price.textContent = worthText(quote);
    const meaning = quote.count > 1 ? t("node.pricePer", { count: quote.count }) : t("node.priceOne");
    price.title = [quote.why, replayText(quote) || (!quote.refused && meaning)]
      .filter(Boolean)
      .join("\n");
  }
}

/** That of a node that holds a subgraph: what all of it costs, and what is said in it. */
class HolderBar extends Bar {
  constructor(node) {
    super(node, MIDDLE);
    this.price = element("output", { class: "lumenfall-price" });
    this.root.prepend(element("div", { class: "lumenfall-choice" }, this.price));
  }

  remarks() {
    return [];
  }

  latest(tolds) {
    return together(tolds);
  }

  placesAmong(running) {
    const held = running.filter(({ path }) => path.includes(this.node));
    const used = held.filter(wouldRun);
    // What leads nowhere yet is still worth something.
    return used.length ? used : held;
  }

  refresh(told, running) {
    super.refresh(told);
    const quote = quoteOf(running);
    this.price.hidden = !quote;
    if (quote) this.showPrice(this.price, quote);
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

  rows(width) {
    return width < NARROW ? 2 : 1;
  }

  pick() {
    const node = livingNode(this.node);
    const workflow = workflowId();
    const now = () => livingNode(node, workflow);
    const contenders = contendersOf(node);
    openPicker({
      nodeClass: classOf(node),
      current: slugsOf(node)?.[0] ?? "",
      contenders,
      onpick: (picked) => (contenders ? chooseContenders(now(), picked) : chooseModel(now(), picked)),
    });
  }

  sizeMenu() {
    const menu = element("select", { class: "lumenfall-sizes" });
    menu.addEventListener("change", () => {
      setWidget(livingNode(this.node), "size", menu.value);
    });
    // Which are typed to find a size are no shortcuts: ComfyUI would delete the node, or read all nodes anew.
    menu.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    return menu;
  }

  remarks() {
    return remarksOn(this.node);
  }

  refresh(told, running) {
    super.refresh(told);
    const slugs = slugsOf(this.node);
    const model = slugs?.length ? findModel(slugs[0]) : undefined;
    this.model.textContent = namesOf(slugs);
    this.model.title = t("node.choose");
    this.model.disabled = !canChoose(this.node);
    this.showSizes(model);
    // Switched off it would still be worth something.
    this.showPrice(this.price, quoteOf(running) ?? worthOf(this.node));
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
}
