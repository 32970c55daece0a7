// What a model does with the options that are set: which of them it would ignore.

import { classOf, inputsOf, isLinked, nodesBehind, valueOf } from "./host/graph.js";
import { findModel, hasEnded, isEnding } from "./models.js";
import { OPTIONS, optionsOf, slugsOf } from "./nodes.js";
import { date, t } from "./text.js";

// Every model takes the others (docs.lumenfall.ai/unified-model-behavior); these it has to list.
const SPECIFIC = ["quality", "background", "negative_prompt"];
const UNSET = ["", "auto"];

/** The options of a Request Options node that are set and that `model` does not list. */
function ignoredBy(model, options) {
  if (!model?.parameters) return [];
  const set = SPECIFIC.filter((name) => !UNSET.includes(String(valueOf(options, name) ?? "").trim()));
  return set.filter((name) => !model.parameters.includes(name));
}

/** What is to be said about a paid node before it runs, in short sentences. */
export function remarksOn(node) {
  const models = modelsOf(node);
  const options = [...optionsOf(node).known];
  const remarks = [];
  for (const model of models) {
    const ignored = [...new Set(options.flatMap((each) => ignoredBy(model, each)))];
    if (ignored.length) remarks.push(t("node.ignores", { model: nameOf(model), options: ignored.join(", ") }));
    const pictures = inputsOf(node, "IMAGE").filter((name) => isLinked(node, name)).length;
    if (model.max_images && pictures > model.max_images) {
      remarks.push(t("node.tooManyPictures", { model: nameOf(model), count: model.max_images }));
    }
    if (isEnding(model)) {
      const end = t(hasEnded(model) ? "node.ended" : "node.ends", { model: nameOf(model), date: date(model.ends) });
      remarks.push([end, successorsOf(model)].filter(Boolean).join(" "));
    }
  }
  return remarks;
}

/** What comes after a model that ends; empty where that is not known. */
export function successorsOf(model) {
  return model.successors?.length ? t("node.successor", { models: model.successors.join(" / ") }) : "";
}

/** For a Request Options node: what each model behind it would ignore. */
export function remarksOnOptions(options) {
  const remarks = [];
  for (const node of takersOf(options)) {
    for (const model of modelsOf(node)) {
      const ignored = ignoredBy(model, options);
      if (ignored.length) remarks.push(t("node.ignores", { model: nameOf(model), options: ignored.join(", ") }));
    }
  }
  return [...new Set(remarks)];
}

/** The nodes that options reach, over others that they are chained to. */
function takersOf(options) {
  const reached = new Set(nodesBehind(options));
  for (const node of reached) if (classOf(node) === OPTIONS) for (const next of nodesBehind(node)) reached.add(next);
  return [...reached].filter((node) => classOf(node) !== OPTIONS);
}

/** The models that a node asks, of those that are known. */
function modelsOf(node) {
  return (slugsOf(node) ?? []).flatMap((slug) => findModel(slug) ?? []);
}

function nameOf(model) {
  return model.name || model.id;
}

/** The models that a node asks, in few words; `slugs` as `slugsOf` gives them. */
export function namesOf(slugs) {
  if (!slugs?.length) return t("node.linkedModel");
  if (slugs.length > 1) return t("node.severalModels", { count: slugs.length });
  return nameOfSlug(slugs[0]);
}

/** What people call the model of a slug; the slug itself where the model is not known. */
export function nameOfSlug(slug) {
  const model = findModel(slug);
  return model ? nameOf(model) : slug;
}
