// The price of the whole workflow, beside the queue button; and a warning where a run costs more than the user wants.

import { openDialog } from "./dialog.js";
import { element } from "./element.js";
import { onChange } from "./host/changes.js";
import { apiPrompt, listen, onQueued, placeBesideRun } from "./host/frontend.js";
import { activeNodes } from "./host/graph.js";
import { stopRuns } from "./host/queue.js";
import { isPaid, worthOf } from "./nodes.js";
import { get, post } from "./server.js";
import { money, t } from "./text.js";
import { showToast } from "./toast.js";

/** The sum of what the active nodes would cost, by the list. */
function total() {
  const worths = [...activeNodes()].filter(({ node }) => isPaid(node)).map(({ node, path }) => worthOf(node, path));
  return {
    nodes: worths.length,
    amount: worths.reduce((sum, worth) => sum + worth.amount, 0),
    currency: worths[0]?.currency ?? "USD",
    known: worths.every((worth) => worth.known),
  };
}

/** Put the total beside the queue button, and watch what is queued. */
export function showTotal() {
  const chip = element("button", {
    class: "lumenfall-total",
    type: "button",
    title: t("total.open"),
    hidden: true,
    onclick: openEstimate,
  });
  placeBesideRun(chip);
  onChange(() => {
    const { nodes, amount, currency, known } = total();
    chip.hidden = nodes === 0;
    chip.textContent = (known ? "\u2248 " : "\u2265 ") + money(amount, currency);
  });
  let batch = null;
  onQueued((promptId) => (batch ??= new Batch()).add(promptId));
  listen("promptQueued", () => (batch = null));
}

/** The prompts that one press of Run queued: warned of together, and stopped together. */
class Batch {
  constructor() {
    this.ids = [];
    this.amount = 0;
    this.stopped = false;
    this.settings = get("/settings").catch(() => ({}));
  }

  async add(promptId) {
    const { amount, currency } = total();
    this.ids.push(promptId);
    this.amount += amount;
    if (this.stopped) return stop([promptId]);
    const { warn_above: most } = await this.settings;
    if (this.stopped || most === null || most === undefined || this.amount <= most) return;
    showToast({
      kind: "warning",
      key: `total ${this.ids[0]}`,
      title: t("total.warning", { amount: money(this.amount, currency) }),
      text: t("total.warningText", { limit: money(most, currency) }),
      actions: [{ text: t("total.stop"), run: () => this.stop() }],
      seconds: 20,
    });
  }

  stop() {
    this.stopped = true;
    stop(this.ids);
  }
}

function stop(promptIds) {
  return stopRuns(promptIds).catch((error) => showToast({ kind: "error", title: "Lumenfall", text: error.message }));
}

/** Ask the server what this workflow would cost, and show it node by node. */
export function openEstimate() {
  openDialog({
    title: t("total.title"),
    className: "lumenfall-estimate",
    async render(body) {
      body.append(element("p", { class: "lumenfall-muted", text: t("total.asking"), role: "status" }));
      try {
        body.replaceChildren(table(await post("/estimate", { prompt: await apiPrompt() })));
      } catch (error) {
        body.replaceChildren(
          element("p", { class: "lumenfall-error", text: [error.message, error.hint].filter(Boolean).join(" ") }),
        );
      }
    },
  });
}

function table(quote) {
  const rows = quote.lines.map((line) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", text: line.title }),
      element("td", { text: line.model ?? "" }),
      element("td", {
        class: "number",
        text: line.replayed
          ? t("total.replayed", { count: line.pictures, replayed: line.replayed })
          : String(line.pictures),
      }),
      element("td", { class: "number", text: priceOf(line), title: line.error?.message ?? "" }),
      element("td", {
        class: "lumenfall-muted",
        text: line.error ? line.error.message : t(`source.${line.source.replaceAll(" ", "_")}`),
      }),
    ),
  );
  if (!rows.length) return element("p", { class: "lumenfall-muted", text: t("total.nothing") });
  const head = ["total.node", "total.model", "total.pictures", "total.price", "total.source"];
  return element(
    "table",
    {},
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        head.map((name) => element("th", { scope: "col", text: t(name) })),
      ),
    ),
    element("tbody", {}, rows),
    element(
      "tfoot",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "row", colSpan: 3, text: quote.unknown ? t("total.sumAtLeast") : t("total.sum") }),
        element("td", {
          class: "number",
          text: (quote.approximate ? "\u2248 " : "") + money(quote.total, quote.currency),
        }),
        element("td", {}),
      ),
    ),
  );
}

function priceOf(line) {
  if (line.error || (line.source === "unknown" && !line.price)) return t("total.unknown");
  return (line.approximate ? "\u2248 " : "") + money(line.price, line.currency ?? "USD");
}
