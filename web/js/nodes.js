// The pack's nodes on the canvas: which there are, what is wired into them, and what they are worth.

import { app } from "../../../scripts/app.js";
import { change, writeWidget } from "./host.js";
import { findModel } from "./models.js";

export const OPTIONS = "LumenfallOptions";
export const PAID = new Set(
  ["Generate", "Inpaint", "Variations", "Edit", "Outpaint", "Upscale", "Compare"].map((name) => `Lumenfall${name}`),
);

const SWITCHED_OFF = [2, 4]; // muted, bypassed

export function widgetOf(node, name) {
  return node?.widgets?.find((widget) => widget.name === name);
}

/** Set a widget as a person would. */
export function setWidget(node, name, value) {
  const widget = widgetOf(node, name);
  if (!widget || widget.value === value) return;
  change(() => writeWidget(node, widget, value));
  node.graph?.setDirtyCanvas?.(true, true);
}

/** The node that an input is wired to, or null. */
export function nodeBefore(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  return slot < 0 ? null : (node.getInputNode?.(slot) ?? null);
}

export function isLinked(node, name) {
  return node.inputs?.some((input) => input.name === name && input.link != null) ?? false;
}

/** Every node of the workflow that `wanted` lets through, those in subgraphs included. */
export function* allNodes(wanted = () => true, graph = root()) {
  for (const node of graph?.nodes ?? graph?._nodes ?? []) {
    if (!wanted(node)) continue;
    yield node;
    if (node.subgraph) yield* allNodes(wanted, node.subgraph);
  }
}

/** Those that would run. */
export function activeNodes() {
  return allNodes((node) => !SWITCHED_OFF.includes(node.mode));
}

/** The id of the workflow that is open. */
export function workflowId() {
  return root()?.id;
}

/** The node that runs under an id such as 5 or, inside of a subgraph, 3:5. */
export function nodeAt(executionId) {
  let graph = root();
  let node = null;
  for (const part of String(executionId).split(":")) {
    node = graph?.getNodeById?.(part) ?? graph?.getNodeById?.(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

/** The slugs that a node asks; null where one comes over a link and is not known yet. */
export function slugsOf(node) {
  const options = nodeBefore(node, "options");
  const own = options?.comfyClass === OPTIONS ? String(widgetOf(options, "model")?.value ?? "").trim() : "";
  if (node.comfyClass === "LumenfallCompare") {
    const more = String(widgetOf(node, "more_models")?.value ?? "").split("\n");
    const all = [widgetOf(node, "model")?.value, ...more].map((slug) => String(slug ?? "").trim()).filter(Boolean);
    return isLinked(node, "model") || isLinked(node, "more_models") ? null : [...new Set(all)];
  }
  if (own) return [own];
  if (isLinked(node, "model") || (options && options.comfyClass !== OPTIONS)) return null;
  return [String(widgetOf(node, "model")?.value ?? "").trim()];
}

/**
 * What a run of the node would cost by the list: {amount, currency, count, known}. `known` is false where a price or a
 * model is not known, or pictures come in by a link whose number is not; then `amount` is the least.
 */
export function worthOf(node) {
  const slugs = slugsOf(node);
  const n = isLinked(node, "n") ? 1 : Number(widgetOf(node, "n")?.value ?? 1);
  const found = (slugs ?? []).map(findModel);
  const prices = found.map((model) => model?.price ?? null);
  return {
    amount: prices.reduce((sum, price) => sum + (price ?? 0) * n, 0),
    currency: found.find(Boolean)?.currency ?? "USD",
    count: n * (slugs?.length ?? 1),
    known: slugs !== null && !prices.includes(null) && !isLinked(node, "n"),
  };
}

function root() {
  return app.rootGraph ?? app.graph;
}
