// What an app shows of money above its Run: the price before, the cost after, what is left, and the models to choose from.

import { namesOf } from "./accepts.js";
import { barOf } from "./bar.js";
import { element } from "./element.js";
import { onChange } from "./host/changes.js";
import { placeInApps, runsAtOnce } from "./host/frontend.js";
import { activeNodes, titleOf } from "./host/graph.js";
import { canChoose, isPaid, slugsOf } from "./nodes.js";
import { lastRun } from "./outcomes.js";
import { quoteOf, wouldRun } from "./quotes.js";
import { get } from "./server.js";
import { settingsListeners } from "./settings.js";
import { money, onLanguage, t } from "./text.js";
import { openEstimate, showQuote } from "./total.js";
import { Turns } from "./turns.js";

/** Show it in each app that is opened from now on. */
export function showInApps() {
  const panel = new Panel();
  placeInApps(panel.root, () => panel.refresh());
  onChange(() => panel.refresh());
  onLanguage(() => panel.forget());
  const renew = () => {
    panel.forget();
    panel.refresh();
  };
  settingsListeners.add(renew);
  // Other pages and the command line spend, too.
  window.addEventListener("focus", renew);
}

class Panel {
  constructor() {
    this.models = element("div", { class: "lumenfall-app-models" });
    this.price = element("button", { class: "lumenfall-total", type: "button", onclick: openEstimate });
    this.cost = element("span", { role: "status" });
    this.left = element("span");
    /** @type {(name: string, shown: HTMLElement) => HTMLElement} */
    const row = (name, shown) =>
      element("div", { class: "lumenfall-app-row" }, element("span", { dataset: { name } }), shown);
    this.costRow = row("app.cost", this.cost);
    this.leftRow = row("app.left", this.left);
    this.root = element(
      "section",
      { class: "lumenfall-app", "aria-label": "Lumenfall" },
      this.models,
      row("total.price", this.price),
      this.costRow,
      this.leftRow,
    );
    this.leftRow.hidden = true;
    this.turns = new Turns();
    /** @type {string | null} */
    this.told = null;
    /** @type {any[]} */
    this.nodes = [];
  }

  refresh() {
    if (!this.root.isConnected) return;
    const places = [...activeNodes()].filter((place) => isPaid(place.node) && wouldRun(place));
    const quote = quoteOf(places, runsAtOnce());
    this.root.hidden = !quote;
    if (!quote) return;
    /** @type {NodeListOf<HTMLElement>} */
    const labels = this.root.querySelectorAll("[data-name]");
    for (const label of labels) label.textContent = t(label.dataset.name ?? "");
    showQuote(this.price, quote);
    this.showModels(new Map(places.map((place) => [place.node, place])));
    const { text: cost, at } = lastRun(places.map(({ id }) => id));
    this.costRow.hidden = !cost;
    this.cost.textContent = cost;
    // What is left changes with what was paid, and is asked for then; the next run may have cost the same.
    const last = `${at} ${cost}`;
    if (last === this.told) return;
    this.told = last;
    this.showLeft();
  }

  /** Say all of it anew. */
  forget() {
    this.told = null;
  }

  /** A button for each node, named where there are several. */
  showModels(nodes) {
    const buttons = [...nodes].map(([node, { path }]) => {
      const label = nodes.size > 1 ? `${titleOf(node)}: ` : `${t("total.model")}: `;
      return element("button", {
        class: "lumenfall-model",
        type: "button",
        "aria-haspopup": "dialog",
        title: t("node.choose"),
        text: label + namesOf(slugsOf(node, path)),
        disabled: !canChoose(node),
        onclick: () => barOf(node)?.pick(),
      });
    });
    const said = (all) => all.map((button) => button.textContent).join("\n");
    const isSame = this.nodes.length === nodes.size && this.nodes.every((node) => nodes.has(node));
    // A button that is pressed is not made anew.
    if (isSame && said([...this.models.children]) === said(buttons)) return;
    this.nodes = [...nodes.keys()];
    this.models.replaceChildren(...buttons);
  }

  async showLeft() {
    const isNewest = this.turns.next();
    const { limits, today, month } = await get("/spend").catch(() => ({}));
    if (!isNewest()) return;
    const left = [
      [limits?.day, today, "sidebar.today"],
      [limits?.month, month, "sidebar.month"],
    ].filter(([limit]) => limit !== null && limit !== undefined);
    this.leftRow.hidden = !left.length;
    this.left.textContent = left
      .map(([limit, spent, name]) => `${t(name)}: ${money(Math.max(0, limit - spent))} ${t("sidebar.ofLimit", { amount: money(limit) })}`)
      .join(" \u00b7 ");
  }
}
