// What each paid node would cost, as exactly as is known: by the list at once and, when the graph has rested for a
// moment, by an estimate of the server's, which also knows what the store has.

import { changingSeeds, estimateOf, inTime, isKnown, isPaidFor } from "./estimate.js";
import { changed, onChange } from "./host/changes.js";
import { apiPrompt, changesSeedsBefore, listen } from "./host/frontend.js";
import { activeNodes, actsWhenRead, hasChance, workflowId } from "./host/graph.js";
import { runningPart } from "./host/prompt.js";
import { stateOf } from "./host/states.js";
import { knownModels, onModels } from "./models.js";
import { changesPrice, isPaid, worthOf } from "./nodes.js";
import { settingsListeners } from "./settings.js";
import { t } from "./text.js";

const REST = 400; // milliseconds without a change, after which it is read which nodes would run
const HIDDEN = 3000; // between two looks at whether the page is seen
const LONGER = 1200; // after which the server is asked
const GAP = 4000; // between two questions to the server
const PATIENCE = 30_000; // for the server to answer
const SULK = 60_000; // after one that failed
const SOON = 5000; // after one that met a call of which nobody knows yet what became of it
const LATE = 300_000; // the most of that, which doubles each time
const MOST = 40; // paid nodes; a larger graph is estimated when the user asks

/** @typedef {{node: import("./host/graph.js").Node, path: import("./host/graph.js").Node[], id: string}} Place */

/**
 * The graph when it last rested: which nodes would run, what they said, and the lines of its estimate.
 *
 * @type {{workflow: string, key: string, ids: Set<string>, states: Map<string, string>,
 *   lines: Map<string, import("./estimate.js").Line>, isAsked: boolean, patience?: number} | null}
 */
let rested = null;
let timer = 0;
let soonest = 0;
let isAsking = false;

/** Watch the graph from now on. */
export function watchQuotes() {
  onChange(() => wait(REST));
  // Another server has another store, and other prices; so may one that was started anew.
  settingsListeners.add(forgetLines);
  listen("reconnected", forgetLines);
  let listed = listedPrices();
  onModels(() => {
    const before = listed;
    listed = listedPrices();
    if (listed !== before) forgetLines();
  });
  // What has just been paid is in the store now.
  for (const end of ["execution_success", "execution_error", "execution_interrupted"]) listen(end, askAnew);
  // Other pages and the command line fill the store and empty it, too.
  window.addEventListener("focus", askAnew);
}

function listedPrices() {
  return JSON.stringify(knownModels().models.map(({ id, price, currency }) => [id, price, currency]));
}

/** What was estimated holds no more. */
function forgetLines() {
  // An estimate that is on its way is of before, too.
  if (rested) rested = { ...rested, lines: new Map(), isAsked: false };
  soonest = 0;
  changed();
}

/** What was estimated holds until there is another estimate. */
function askAnew() {
  if (rested) rested.isAsked = false;
  wait(REST);
}

function wait(milliseconds) {
  clearTimeout(timer);
  timer = window.setTimeout(rest, milliseconds);
}

async function rest() {
  const paid = [...activeNodes()].filter(({ node }) => isPaid(node));
  // Reading some widgets takes a photo or uploads a scene.
  if (!paid.length || actsWhenRead()) return;
  if (document.hidden) return wait(HIDDEN);
  const now = await readGraph(paid);
  if (!now) return;
  if (now.key !== rested?.key) {
    rested = now;
    changed();
    wait(LONGER);
    return;
  }
  // What leads to no output comes and goes without changing what would run, and what is wired anew may say the same.
  const isNews = now.states.size !== rested.states.size || [...now.states].some(([id, state]) => rested?.states.get(id) !== state);
  rested.states = now.states;
  if (isNews) changed();
  if (!rested.isAsked && !isAsking && paid.length <= MOST) {
    if (Date.now() < soonest) wait(soonest - Date.now());
    else await ask(rested, now.part);
  }
}

async function readGraph(paid) {
  const workflow = workflowId();
  const states = new Map(paid.map(({ node, path, id }) => [id, stateOf(node, path)]));
  try {
    const part = runningPart(await apiPrompt());
    const key = `${workflow} ${JSON.stringify(part)}`;
    const ids = new Set(Object.keys(part));
    return { workflow, key, ids, states, lines: new Map(), isAsked: false, part };
  } catch {
    // A graph that cannot be queued now; ComfyUI says why when it is.
    return null;
  }
}

async function ask(graph, part) {
  graph.isAsked = true;
  if (!isPaidFor(part)) return;
  isAsking = true;
  soonest = Date.now() + GAP;
  try {
    // One that is never answered, as over a connection that died, must not be the last.
    const { lines } = await inTime(estimateOf(part), PATIENCE);
    graph.lines = new Map(lines.map((line) => [line.node_id, line]));
    if (lines.some(isOnItsWay)) {
      graph.patience = Math.min(LATE, 2 * (graph.patience ?? SOON / 2));
      setTimeout(() => graph === rested && askAnew(), graph.patience);
    }
  } catch {
    graph.isAsked = false;
    soonest = Date.now() + SULK;
  } finally {
    isAsking = false;
  }
  changed();
}

/** Whether the node at a place would run: whether it leads to an output. True where that is not known yet. */
export function wouldRun({ id }) {
  return rested?.workflow !== workflowId() || !rested.states.has(id) || rested.ids.has(id);
}

/**
 * What the node at a place would cost: as `worthOf` tells it, and `replayed` pictures of it come from the store; `refused`:
 * nothing, as it cannot run; `why` that is so, or its price is not known, or not yet exactly.
 *
 * @param {Place} place
 * @param {boolean} isWhole whether all that it may share pictures with runs too
 */
function quoteAt(place, isWhole) {
  const worth = { ...worthOf(place.node, place.path), replayed: 0, refused: false };
  const line = lineAt(place);
  if (!line) return worth;
  if (line.shared && !isWhole) return worth;
  // What chance takes for the run may be right.
  if (line.refused && !hasChance()) return { ...worth, amount: 0, known: true, refused: true, why: reasonOf(line) };
  if (!isKnown(line)) return { ...worth, why: reasonOf(line) || worth.why };
  // What is in the store need not be what chance takes for the run.
  if (line.replayed && hasChance()) return worth;
  if (isOnItsWay(line)) return { ...worth, why: line.notes.join(" ") };
  const { price: amount, replayed, pictures: count } = line;
  return { ...worth, amount, replayed, count, currency: line.currency ?? worth.currency, known: true, why: null };
}

/** Whether an equal one is on its way, or nobody knows what became of it. @param {import("./estimate.js").Line} line */
function isOnItsWay(line) {
  return isKnown(line) && !line.price && !line.replayed;
}

function reasonOf({ error }) {
  return [error?.message, error?.hint].filter(Boolean).join(" ");
}

/** The line of a place in the last estimate, as long as the node says what it said then. */
function lineAt({ node, path, id }) {
  if (rested?.workflow !== workflowId() || rested.states.get(id) !== stateOf(node, path)) return undefined;
  return rested.lines.get(id);
}

/** Whether these are all places of the last estimate, and say what they said then. @param {Place[]} places */
function isAllEstimated(places) {
  const now = new Set(places.filter(lineAt).map(({ id }) => id));
  return Boolean(rested) && [.../** @type {NonNullable<typeof rested>} */ (rested).lines.keys()].every((id) => now.has(id));
}

/** The same for several runs: where the pictures are others each time, the later ones are paid too. */
function quoteOfRuns(place, runs, isWhole) {
  const found = quoteAt(place, isWhole);
  if (found.refused) return found;
  const next = found.replayed ? { ...worthOf(place.node, place.path), replayed: 0, refused: false } : found;
  const first = changesSeedsBefore() ? next : found;
  const sum = (name) => first[name] + (runs - 1) * next[name];
  const isSure = !changesPrice(place.node, place.path);
  const why = isSure ? first.why : t("node.changingPrice");
  return { ...first, amount: sum("amount"), count: sum("count"), known: first.known && next.known && isSure, why };
}

/**
 * What several places cost together, null where there are none; `free`: all of it comes from the store; `refused`: none of
 * them can run.
 *
 * @param {Place[]} places
 * @param {number} runs how many follow each other
 */
export function quoteOf(places, runs = 1) {
  if (!places.length) return null;
  const changing = runs > 1 || changesSeedsBefore() ? changingSeeds() : new Set();
  const isWhole = places.length > 1 && isAllEstimated(places);
  const quotes = places.map((place) => (changing.has(place.id) ? quoteOfRuns(place, runs, isWhole) : quoteAt(place, isWhole)));
  const { currency } = quotes.find(({ amount }) => amount > 0) ?? quotes[0];
  const summed = quotes.filter((quote) => quote.currency === currency || !quote.amount);
  const able = quotes.filter(({ refused }) => !refused);
  const sum = (name) => summed.reduce((total, quote) => total + quote[name], 0);
  return {
    amount: sum("amount"),
    count: sum("count"),
    replayed: sum("replayed"),
    currency,
    known: summed.length === quotes.length && quotes.every(({ known }) => known),
    free: able.length > 0 && able.every(({ known, amount, replayed }) => known && !amount && replayed > 0),
    refused: !able.length,
    why: [...new Set(quotes.map(({ why }) => why).filter(Boolean))].join("\n"),
  };
}
