// The models that the server offers, as the pack's route gives them.

import { get } from "./server.mjs";

let known = { models: [], nodes: {}, source: "bundled", failure: null };
const listeners = new Set();

/** Fetch the list again; with `refresh` the pack asks the server anew. Never throws: the reason is in `failure`. */
export function loadModels(refresh = false) {
  return get(refresh ? "/models?refresh=true" : "/models")
    .then((answer) => {
      known = answer;
    })
    .catch((error) => {
      known = { ...known, failure: error.message };
    })
    .then(() => {
      for (const listener of listeners) listener();
      return known;
    });
}

/** What is known now. */
export function knownModels() {
  return known;
}

/** The entry for a slug, an alias or `provider/slug`; undefined for any other. */
export function findModel(slug) {
  const names = [slug, slug?.includes("/") ? slug.slice(slug.indexOf("/") + 1) : ""];
  return known.models.find((model) =>
    names.some((name) => name && (model.id === name || model.aliases.includes(name))),
  );
}

/** Whether a node of this class can use `model`; models of which nothing is known might do anything. */
export function fits(model, nodeClass) {
  const need = known.nodes[nodeClass];
  return !need || !model?.modes.length || model.modes.some((mode) => need.modes.includes(mode));
}

/** Call `listener` whenever the list has been fetched. Returns what ends that. */
export function onModels(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A date such as 2026-12-01 has passed. */
export function hasEnded(model) {
  return Boolean(model?.ends) && new Date(`${model.ends}T23:59:59`) < new Date();
}
