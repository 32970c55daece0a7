// The models that the server offers, as the pack's route gives them.

import { ServerError, get, told } from "./server.js";
import { t } from "./text.js";
import { Turns } from "./turns.js";

/**
 * A model as /lumenfall/models lists it: `price` of one picture, `ends` as YYYY-MM-DD. Of the user's own
 * last `calls` so many `brought` pictures, in so many `seconds`.
 *
 * @typedef {object} Model
 * @property {string} id
 * @property {string} name
 * @property {string[]} aliases
 * @property {string[]} modes
 * @property {number | null} price
 * @property {string} currency
 * @property {number | null} seconds
 * @property {number} calls
 * @property {number} brought
 * @property {string[] | null} parameters
 * @property {string[] | null} sizes
 * @property {number | null} max_images
 * @property {boolean} mask
 * @property {boolean} transparency
 * @property {string | null} ends
 * @property {string[]} successors
 * @property {boolean} figure
 */

/**
 * @typedef {object} Models
 * @property {Model[]} models
 * @property {Model[]} ended
 * @property {Record<string, {modes: string[]}>} nodes
 * @property {string} source
 * @property {number | null} [fetched_at]
 * @property {string | null} compiled
 * @property {string | null} failure
 */

/** @type {Models} */
let known = { models: [], ended: [], nodes: {}, source: "bundled", compiled: null, failure: null };
const listeners = new Set();
const turns = new Turns();

/** Fetch the list again; with `refresh` the pack asks the server anew. Never throws: the reason is in `failure`. */
export function loadModels(refresh = false) {
  const isNewest = turns.next();
  return get(refresh ? "/models?refresh=true" : "/models")
    .then((answer) => {
      if (Array.isArray(answer?.models) && Array.isArray(answer.ended)) return answer;
      throw new ServerError({ code: "NOT_JSON", message: t("errors.notJson") });
    })
    .catch((error) => ({ ...known, failure: told(error) }))
    .then((answer) => {
      if (isNewest()) known = answer;
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

/**
 * The entry for a slug, an alias or `provider/slug`, also of a model that has ended; undefined for any other.
 *
 * @param {string} [slug]
 */
export function findModel(slug) {
  const names = [slug ?? "", slug?.includes("/") ? slug.slice(slug.indexOf("/") + 1) : ""].filter(Boolean);
  // As nodes/api/catalogue.py does it: a snapshot that is listed by itself counts before the model it is an alias of.
  /** @type {(models: Model[], name: string) => Model | undefined} */
  const find = (models, name) =>
    models.find((model) => model.id === name) ?? models.find((model) => model.aliases.includes(name));
  for (const models of [known.models, known.ended]) {
    for (const name of names) {
      const model = find(models, name);
      if (model) return model;
    }
  }
  return undefined;
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

const DAY = 86_400_000;
const SOON = 31;

/** Days until the model ends, in UTC: negative once it has ended, Infinity where no end is known. */
function daysLeft(model) {
  if (!model?.ends) return Infinity;
  return Math.round((Date.parse(model.ends) - Math.floor(Date.now() / DAY) * DAY) / DAY);
}

/** The model's date has passed. */
export function hasEnded(model) {
  return daysLeft(model) < 0;
}

/** It has ended, or will within a month: its users are to be told (nodes/api/ends.py). */
export function isEnding(model) {
  return daysLeft(model) <= SOON;
}
