// The pack's nodes: which models they ask, and what they are worth.

import { classOf, hasWidget, nodeBefore, valueOf } from "./host/graph.js";
import { findModel } from "./models.js";

export const OPTIONS = "LumenfallOptions";
export const EDIT = "LumenfallEdit";
const COMPARE = "LumenfallCompare";
const PAID = new Set(
  ["Generate", "Inpaint", "Variations", "Edit", "Outpaint", "Upscale", "Compare"].map((name) => `Lumenfall${name}`),
);

export function isOurs(node) {
  return Boolean(classOf(node)?.startsWith("Lumenfall"));
}

/** Whether a run of the node may cost something. */
export function isPaid(node) {
  return PAID.has(classOf(node) ?? "");
}

/** The slugs that a node asks; null where one comes over a link and is not known yet. */
export function slugsOf(node) {
  const options = nodeBefore(node, "options");
  const own = classOf(options) === OPTIONS ? valueOf(options, "model") : "";
  const model = valueOf(node, "model");
  if (classOf(node) === COMPARE) {
    const more = valueOf(node, "more_models");
    if (model === undefined || more === undefined) return null;
    return [...new Set([model, ...String(more).split("\n")].map((slug) => String(slug).trim()).filter(Boolean))];
  }
  if (own === undefined || (options && classOf(options) !== OPTIONS)) return null;
  const slug = String(own).trim() || model;
  return slug === undefined ? null : [String(slug).trim()];
}

/**
 * What a run of the node would cost by the list: {amount, currency, count, known}. `known` is false where a price or a
 * model is not known, or pictures come in by a link whose number is not; then `amount` is the least.
 */
export function worthOf(node) {
  const slugs = slugsOf(node);
  const wanted = hasWidget(node, "n") ? valueOf(node, "n") : 1;
  const n = Number(wanted ?? 1);
  const models = (slugs ?? []).map(findModel);
  const prices = models.map((model) => model?.price ?? null);
  let amount = 0;
  for (const price of prices) amount += (price ?? 0) * n;
  return {
    amount,
    currency: models.find(Boolean)?.currency ?? "USD",
    count: n * (slugs?.length ?? 1),
    known: slugs !== null && !prices.includes(null) && wanted !== undefined,
  };
}
