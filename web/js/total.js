// The price of the whole workflow, beside the queue button, and node by node.

import { openDialog } from "./dialog.js";
import { element } from "./element.js";
import { estimateRuns, sumOf } from "./estimate.js";
import { onChange } from "./host/changes.js";
import { apiPrompt, placeBesideRun, runsAtOnce } from "./host/frontend.js";
import { activeNodes, titleOf } from "./host/graph.js";
import { runningPart } from "./host/prompt.js";
import { isPaid, slugsOf, worthOf } from "./nodes.js";
import { quoteOf, wouldRun } from "./quotes.js";
import { money, replayText, t, worthText } from "./text.js";

/** Show what a press on Run would cost, on a button that opens the estimate. */
export function showQuote(button, quote) {
  const runs = runsAtOnce();
  button.textContent = worthText(quote);
  const sum = runs > 1 && quote.amount ? t("ask.sums", { count: runs, amount: money(quote.amount, quote.currency) }) : "";
  button.title = [sum, quote.why, replayText(quote), t("total.open")].filter(Boolean).join("\n");
}

/** Put the total beside the queue button. */
export function showTotal() {
  const chip = element("button", { class: "lumenfall-total", type: "button", hidden: true, onclick: openEstimate });
  placeBesideRun(chip);
  onChange(() => {
    const places = [...activeNodes()].filter((place) => isPaid(place.node) && wouldRun(place));
    const quote = quoteOf(places, runsAtOnce());
    chip.hidden = !quote;
    if (quote) showQuote(chip, quote);
  });
}

/**
 * An estimate of `count` runs of a prompt by the list, for want of a better one.
 *
 * @returns {import("./estimate.js").Estimate}
 */
export function byList(prompt, count) {
  const lines = [...activeNodes()]
    .filter(({ node, id }) => isPaid(node) && id in prompt)
    .map(({ node, path, id }) => {
      const worth = worthOf(node, path);
      return {
        node_id: id,
        title: titleOf(node) ?? id,
        model: slugsOf(node, path)?.join(", ") ?? null,
        pictures: worth.count * count,
        replayed: 0,
        price: worth.amount * count,
        currency: worth.currency,
        source: worth.known ? "list price" : "unknown",
        approximate: true,
        notes: [],
        error: null,
        refused: false,
      };
    });
  const currency = lines[0]?.currency ?? "USD";
  return { lines, currency, approximate: true, ...sumOf(lines, currency) };
}

/** Ask the server what this workflow would cost, and show it node by node. */
export function openEstimate() {
  openDialog({
    title: t("total.title"),
    className: "lumenfall-estimate",
    async render(body) {
      body.append(element("p", { class: "lumenfall-muted", text: t("total.asking"), role: "status" }));
      try {
        const runs = runsAtOnce();
        const estimate = await estimateRuns(runningPart(await apiPrompt()), runs);
        const sum = t("ask.sums", { count: runs, amount: money(estimate.total, estimate.currency) });
        body.replaceChildren(table(estimate));
        if (runs > 1 && estimate.total) body.prepend(element("p", { text: sum }));
      } catch (error) {
        body.replaceChildren(
          element("p", { class: "lumenfall-error", text: [error.message, error.hint].filter(Boolean).join(" ") }),
        );
      }
    },
  });
}

/** An estimate, a row for each node. */
export function table(quote) {
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
        element("th", { scope: "row", colSpan: 3, text: quote.unknown && quote.total ? t("total.sumAtLeast") : t("total.sum") }),
        element("td", {
          class: "number",
          text: totalOf(quote),
        }),
        element("td", {}),
      ),
    ),
  );
}

function totalOf({ lines, unknown, total, approximate, currency }) {
  if (lines.every(({ refused }) => refused)) return t("node.refused");
  if (unknown && !total) return t("total.unknown");
  return (approximate ? "\u2248 " : "") + money(total, currency);
}

function priceOf(line) {
  if (line.refused) return t("node.refused");
  if (line.error || (line.source === "unknown" && !line.price)) return t("total.unknown");
  return (line.approximate ? "\u2248 " : "") + money(line.price, line.currency ?? "USD");
}
