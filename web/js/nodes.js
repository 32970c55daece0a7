// The pack's nodes: which models they ask, and what they are worth.

import { change } from "./host/changes.js";
import { classOf, hasWidget, isSettable, nodeBefore, setWidget, valueOf } from "./host/graph.js";
import { changingOf } from "./host/states.js";
import { findModel } from "./models.js";
import { t } from "./text.js";

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
  return isPaidClass(classOf(node) ?? "");
}

/** The same of a node's class. */
export function isPaidClass(name) {
  return PAID.has(name);
}

/**
 * The slugs that a node asks; null where one is not known before a run. `path` is as `activeNodes` gives it.
 *
 * @param {import("./host/graph.js").Node} node
 * @param {import("./host/graph.js").Node[]} [path]
 */
export function slugsOf(node, path) {
  if (classOf(node) === COMPARE) {
    const chooser = chooserOf(node, path);
    const [model, more] = [chooser && valueOf(chooser, "model", path), valueOf(node, "more_models", path)];
    if (model === undefined || model === null || more === undefined) return null;
    // As nodes/compare.py reads them.
    return [...new Set([String(model).trim(), ...String(more).split(/[\s,;]+/)].filter(Boolean))];
  }
  const chooser = chooserOf(node, path);
  const slug = chooser && valueOf(chooser, "model", path);
  return slug === undefined || slug === null ? null : [String(slug).trim()];
}

/**
 * The node whose `model` counts: Request Options win, unless they and those before them leave it empty. Null where that is
 * not known.
 */
function chooserOf(node, path) {
  const { known, isAll } = optionsOf(node, path);
  for (const options of known) {
    const said = valueOf(options, "model", path);
    if (said === undefined) return null;
    if (String(said).trim()) return options;
  }
  return isAll ? node : null;
}

/**
 * The Request Options of a node, the nearest first: what that sets counts before what the next sets. `isAll` is false where
 * further ones are not known before a run.
 *
 * @param {import("./host/graph.js").Node} node
 * @param {import("./host/graph.js").Node[]} [path]
 */
export function optionsOf(node, path) {
  /** @type {Set<import("./host/graph.js").Node>} */
  const known = new Set();
  let options = nodeBefore(node, "options", path);
  while (options && classOf(options) === OPTIONS && !known.has(options)) {
    known.add(options);
    options = nodeBefore(options, "options", path);
  }
  return { known, isAll: options === null };
}

/** Whether a model can be chosen for the node. */
export function canChoose(node) {
  const chooser = chooserOf(node);
  return Boolean(chooser) && isSettable(chooser, "model");
}

/** Choose the model of a node, where it counts. */
export function chooseModel(node, slug) {
  const chooser = chooserOf(node);
  if (chooser) setWidget(chooser, "model", slug);
}

/** The slugs that a comparison asks, where all of them can be chosen; null for any other node. */
export function contendersOf(node) {
  const all = classOf(node) === COMPARE && canChoose(node) && isSettable(node, "more_models");
  return all ? slugsOf(node) : null;
}

/** Choose all models of a comparison. */
export function chooseContenders(node, slugs) {
  change(() => {
    chooseModel(node, slugs[0]);
    setWidget(node, "more_models", slugs.slice(1).join("\n"));
  });
}

/** Choose `slug` wherever the node asks the model `former`. */
export function replaceModel(node, former, slug) {
  const all = contendersOf(node);
  if (all) chooseContenders(node, [...new Set(all.map((each) => (each === former ? slug : each)))]);
  else chooseModel(node, slug);
}

/**
 * What a run of the node would cost by the list: {amount, currency, count, known, why}. `known` is false where a price or
 * a model is not known, or the number of pictures comes over a link: `why` tells it, and `amount` is the least.
 *
 * @param {import("./host/graph.js").Node} node
 * @param {import("./host/graph.js").Node[]} [path]
 */
export function worthOf(node, path) {
  const slugs = slugsOf(node, path);
  const wanted = hasWidget(node, "n") ? valueOf(node, "n", path) : 1;
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
    why: whyUnknown(slugs, prices, wanted),
  };
}

/** Whether more than the seed of what a node asks becomes something else from run to run, such as how many pictures. */
export function changesPrice(node, path) {
  const all = [node, ...optionsOf(node, path).known];
  return all.some((each) => changingOf(each, path).some((name) => name !== "seed" && name !== "prompt"));
}

function whyUnknown(slugs, prices, wanted) {
  if (slugs === null) return t("node.linkedModel");
  const unpriced = slugs.filter((_, index) => prices[index] === null);
  if (unpriced.length) return t("node.noListPrice", { models: unpriced.join(", ") });
  return wanted === undefined ? t("node.linkedCount") : null;
}
