// What the nodes say while a graph runs, brought to their bars and cards.

import { closeCard, showCard, watchCards } from "./cards.js";
import { listen, onQueued } from "./host/frontend.js";
import { askedOf, nodeAt, places, workflowId } from "./host/graph.js";
import { isPaid, slugsOf } from "./nodes.js";
import { end, finished, keep } from "./outcomes.js";
import { noteUse } from "./picker.js";

/** Listen to the host, once. */
export function hearRuns() {
  onQueued((promptId, workflow, tab) => note(promptId, { workflow, tab, asked: askedNow() }));
  listen("lumenfall.progress", (detail) => tell(detail, { kind: "running", text: detail.text }));
  listen("lumenfall.error", fail);
  listen("progress_state", begin);
  listen("executed", show);
  for (const event of ENDS) listen(event, ({ prompt_id: promptId }) => finish(promptId));
  watchCards();
}

const ENDS = ["execution_success", "execution_error", "execution_interrupted"];
const MOST_RUNS = 200;
const KEPT = "lumenfall.runs";

/**
 * The runs that were heard of: their workflow, as another may be opened meanwhile and have a node of the same id; the tab
 * that was open; and what was asked of each node, by the id that it runs under.
 *
 * @typedef {{workflow?: string, tab?: object, asked?: Map<string, string>}} Run
 */

/** @type {Map<string, Run>} */
const runs = new Map();

/** @param {string} promptId @param {Run} run */
function note(promptId, run) {
  runs.set(promptId, run);
  if (runs.size > MOST_RUNS) runs.delete([...runs.keys()][0]);
  try {
    // For this tab, after a reload.
    sessionStorage.setItem(KEPT, JSON.stringify([...runs].map(([id, { workflow }]) => [id, workflow])));
  } catch {
    // It is full, or not allowed.
  }
  return run;
}

/** @returns {Run} */
function runOf(promptId) {
  return runs.get(promptId) ?? note(promptId, { workflow: before(promptId) ?? workflowId(), asked: askedNow() });
}

/** The workflow of what this tab queued before it was loaded anew. */
function before(promptId) {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(KEPT) ?? "[]")).get(promptId);
  } catch {
    return undefined;
  }
}

function askedNow() {
  const paid = [...places()].filter(({ node }) => isPaid(node));
  return new Map(paid.map(({ node, id }) => [id, askedOf(node)]));
}

/** Say something of the node that an event is about; the node, or null where it is not in the workflow that is open. */
function tell({ node: id, prompt_id: promptId }, told) {
  const { workflow = workflowId(), tab, asked } = runOf(promptId);
  keep(workflow, id, { ...told, promptId, tab, asked: asked?.get(id) });
  if (told.kind !== "error") closeCard(workflow, id);
  return workflow === workflowId() ? nodeAt(id) : null;
}

/** Nodes begin to run. */
function begin({ prompt_id: promptId, nodes = {} }) {
  const run = runs.get(promptId);
  for (const [id, { state }] of Object.entries(nodes)) if (run && state === "running") closeCard(run.workflow, id);
}

function finish(promptId) {
  end(promptId);
  delete runs.get(promptId)?.asked;
}

function show(detail) {
  const report = detail.output?.lumenfall?.[0];
  const estimate = detail.output?.lumenfall_estimate?.[0];
  if (estimate) tell(detail, { kind: "done", text: estimate.summary });
  if (!report) return;
  const node = tell(detail, finished(report));
  for (const slug of (node && slugsOf(node)) ?? []) if (slug) noteUse(slug);
}

function fail(detail) {
  tell(detail, { kind: "error", text: detail.error.message });
  showCard(detail, runOf(detail.prompt_id).workflow ?? workflowId());
}
