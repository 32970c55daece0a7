// What the server says that a run would cost: nodes/pricing/result.py has the shape of an estimate.

import { changesSeedsBefore } from "./host/frontend.js";
import { activeNodes, hasChance } from "./host/graph.js";
import { again, isAgain, nextId } from "./host/prompt.js";
import { changesWithRuns } from "./host/states.js";
import { changesPrice, isPaid, isPaidClass } from "./nodes.js";
import { post } from "./server.js";
import { Turns } from "./turns.js";

/**
 * A line is one node: what it would bring, `replayed` of that from the store, where another node of the graph puts `shared`
 * of these, and what that costs.
 *
 * @typedef {object} Line
 * @property {string} node_id
 * @property {string} title
 * @property {string | null} model
 * @property {number} pictures
 * @property {number} replayed
 * @property {number} [shared]
 * @property {number} price
 * @property {string | null} currency
 * @property {string} source
 * @property {boolean} approximate
 * @property {string[]} notes
 * @property {{message: string, hint: string, code: string} | null} error
 * @property {boolean} refused a run would send nothing, and end with that error
 */

/** @typedef {{lines: Line[], total: number, currency: string, unknown: number, approximate: boolean}} Estimate */

/** @type {number | null | undefined} */
let askAbove;
/** @type {Promise<unknown>} */
let reading = Promise.resolve();
const turns = new Turns();
const PATIENCE = 5000; // milliseconds that a run waits to hear above which sum to ask

/** The sum in US dollars above which the user wants to be asked; null where never, undefined where that is not known. */
export function threshold() {
  return askAbove;
}

/** Ask anew above which sum the user wants to be asked. Never throws. */
export function readThreshold() {
  reading = readAnew();
  return reading;
}

/** What a promise gives; it fails where that takes longer, as over a connection that died. */
export function inTime(promise, milliseconds) {
  const late = new Promise((_, fail) => setTimeout(fail, milliseconds, new Error("late")));
  return Promise.race([promise, late]);
}

async function readAnew() {
  try {
    await inTime(estimateOf({}), PATIENCE);
  } catch {
    // It may have been set meanwhile; the next estimate tells.
    askAbove = undefined;
  }
}

/** The threshold, once that is known which is being asked for. */
export async function latestThreshold() {
  await reading;
  return threshold();
}

/**
 * The estimate of a graph in API format. Throws ServerError.
 *
 * @returns {Promise<Estimate>}
 */
export async function estimateOf(prompt) {
  // A node that is not installed has no class.
  const named = Object.entries(prompt).map(([id, node]) => [id, { ...node, class_type: node.class_type ?? "" }]);
  const isNewest = turns.next();
  const { ask_above: most, ...estimate } = await post("/estimate", { prompt: Object.fromEntries(named) });
  if (isNewest()) askAbove = most;
  return estimate;
}

/** Whether anything that would run may cost something. */
export function isPaidFor(prompt) {
  return Object.values(prompt).some((node) => isPaidClass(node.class_type));
}

/**
 * The estimate of `count` runs of a graph, one after the other. What is equal in them is paid once; seeds that change by
 * themselves buy other pictures each time. Throws ServerError.
 *
 * @param {Record<string, any>} prompt
 * @param {number} count
 * @returns {Promise<Estimate>}
 */
export async function estimateRuns(prompt, count) {
  const changing = changingSeeds();
  // What chance takes for the run need not be what it took for the estimate.
  const before = (changesSeedsBefore() || hasChance()) && changing.size > 0;
  if (count === 1 && !before) return estimateOf(prompt);
  const estimate = await estimateOf({ ...prompt, ...again(prompt, changing) });
  const unsure = changingPrices();
  const further = new Map(estimate.lines.map((line) => [line.node_id, line]));
  const lines = estimate.lines
    .filter((line) => !isAgain(line.node_id))
    .map((line) => summed(line, further.get(nextId(line.node_id)) ?? line, count, before))
    .map((line) => (unsure.has(line.node_id) ? { ...line, source: "unknown" } : line));
  return { ...estimate, ...sumOf(lines, estimate.currency), lines };
}

/** The ids of the nodes whose pictures are others at each run. */
export function changingSeeds() {
  const byChance = hasChance();
  const changing = [...activeNodes()].filter(
    ({ node, path }) => isPaid(node) && (byChance || changesWithRuns(node, path)),
  );
  return new Set(changing.map(({ id }) => id));
}

/** The ids of the nodes of which each run may have another price. */
function changingPrices() {
  return new Set([...activeNodes()].filter(({ node, path }) => isPaid(node) && changesPrice(node, path)).map(({ id }) => id));
}

/** @returns {Line} */
function summed(first, further, count, before) {
  const once = before && further.price > first.price ? further : first;
  const dearer = further.price > once.price ? further : once;
  const sum = (name) => once[name] + (count - 1) * further[name];
  return {
    ...dearer,
    node_id: first.node_id,
    pictures: sum("pictures"),
    replayed: sum("replayed"),
    price: sum("price"),
    error: first.error ?? further.error,
    source: [first, further].some(({ source }) => source === "unknown") ? "unknown" : dearer.source,
  };
}

/** Total and number of unknown prices of some lines, as nodes/pricing/result.py counts them. */
export function sumOf(lines, currency) {
  const isSame = (line) => [null, undefined, currency].includes(line.currency);
  return {
    total: lines.filter(isSame).reduce((sum, line) => sum + line.price, 0),
    unknown: lines.filter((line) => !isKnown(line) || !isSame(line)).length,
  };
}

/** Whether the price of a line is all that the node would cost. */
export function isKnown(line) {
  return !line.error && line.source !== "unknown";
}
