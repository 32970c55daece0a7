// What the nodes say while a graph runs, brought to their bars and cards.

import { closeCard, showCard, watchCards } from "./cards.js";
import { listen, onQueued } from "./host/frontend.js";
import { nodeAt, places, workflowId } from "./host/graph.js";
import { endPreview, expectPreview } from "./host/preview.js";
import { outcomeOf } from "./host/queue.js";
import { askedOf } from "./host/states.js";
import { isPaid } from "./nodes.js";
import { end, finished, keep, outliveReloads, promptsInTheAir, reportOf } from "./outcomes.js";
import { noteUse } from "./picker.js";
import { t } from "./text.js";

/** Listen to the host, once. */
export function hearRuns() {
  onQueued(expect);
  hear("lumenfall.progress", (detail) => tell(detail, { kind: "running", text: detail.text }));
  hear("lumenfall.error", fail);
  hear("progress_state", begin);
  hear("execution_cached", noteCached);
  hear("executed", show);
  for (const event of ENDS) hear(event, ({ prompt_id: promptId }) => finish(promptId));
  watchCards();
  outliveReloads();
  listen("reconnected", catchUp);
  catchUp();
}

const ENDS = ["execution_success", "execution_error", "execution_interrupted"];
const MOST_RUNS = 200;
const KEPT = "lumenfall.runs";

/**
 * The runs that were heard of: where they were started, as another workflow may be opened meanwhile and have a node of the
 * same id; what was asked of each node, by the id that it runs under; and which of them do not run again, because ComfyUI
 * still has what they gave.
 *
 * @typedef {import("./host/frontend.js").Origin & {asked?: Map<string, string>, cached?: string[]}} Run
 */

/** @type {Map<string, Run>} */
const runs = new Map();
/** How many prompts are on their way to the server: it may tell of them before it answers with their ids. */
let sending = 0;
/** What it told meanwhile of prompts that nobody knows yet. @type {Map<string, (() => unknown)[]>} */
const early = new Map();

/**
 * A prompt is being sent.
 *
 * @param {Promise<string | undefined>} sent
 * @param {import("./host/frontend.js").Origin} origin
 * @param {Promise<import("./host/frontend.js").Objections>} objections
 */
async function expect(sent, origin, objections) {
  const run = { ...origin, asked: askedNow() };
  sending += 1;
  const promptId = await sent;
  sending -= 1;
  if (promptId) note(promptId, run);
  for (const [id, told] of early) {
    if (id !== promptId && sending) continue;
    early.delete(id);
    for (const tellIt of told) tellIt();
  }
  for (const [id, { errors = [] }] of Object.entries(await objections)) refuse(id, errors, run);
}

/**
 * Tell what a node's own check has against it: ComfyUI tells only that it has something. The rest ComfyUI says itself.
 *
 * @param {string} id
 * @param {any[]} errors
 * @param {Run} run
 */
function refuse(id, errors, { workflow = workflowId(), tab, asked }) {
  const own = errors.find(({ type }) => type === "custom_validation_failed");
  const node = workflow === workflowId() ? nodeAt(id) : null;
  if (!own || !isPaid(node)) return;
  const message = String(own.details).replace(/^\w+ - /, "");
  const error = { code: own.extra_info?.code ?? "INVALID_INPUT", message, charged: "not charged" };
  keep(workflow, id, { kind: "error", text: message, tab, asked: asked?.get(id), isFree: true });
  showCard({ node: id, error }, workflow, asked?.get(id));
}

/**
 * Call `listener` with what comes with each such event, as soon as it can be known which workflow it is about.
 *
 * @param {string} event
 * @param {(detail: any) => unknown} listener
 */
function hear(event, listener) {
  listen(event, (detail) => {
    const { prompt_id: promptId } = detail;
    if (runs.has(promptId) || !sending) listener(detail);
    else early.set(promptId, [...(early.get(promptId) ?? []), () => listener(detail)]);
  });
}

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
  for (const [id, { state }] of Object.entries(nodes)) {
    if (!run || state !== "running") continue;
    closeCard(run.workflow, id);
    const node = run.workflow === workflowId() ? nodeAt(id) : null;
    if (isPaid(node)) expectPreview(node);
  }
}

function noteCached({ prompt_id: promptId, nodes = [] }) {
  const run = runOf(promptId);
  run.cached = nodes.map(String);
  // Older hosts do not say again what such a node gave.
  for (const node of run.cached) {
    const report = reportOf(run.workflow ?? workflowId(), node);
    if (report) tell({ node, prompt_id: promptId }, finished({ ...report, replayed: true }));
  }
}

function finish(promptId) {
  end(promptId);
  delete runs.get(promptId)?.asked;
}

/** What ended while nobody listened: the page was loaded anew, or the server was away. */
async function catchUp() {
  for (const promptId of promptsInTheAir()) {
    const outcome = await outcomeOf(promptId).catch(() => null);
    if (!outcome) continue;
    for (const [event, { nodes, node_id: node, exception_message: text }] of outcome.events) {
      if (event === "execution_cached") noteCached({ prompt_id: promptId, nodes });
      if (event === "execution_error") tell({ node, prompt_id: promptId }, { kind: "error", text: String(text).trim() });
    }
    for (const [node, output] of Object.entries(outcome.reports)) show({ node, prompt_id: promptId, output });
    end(promptId, t("node.unheard"));
  }
}

function show(detail) {
  const report = detail.output?.lumenfall?.[0];
  const estimate = detail.output?.lumenfall_estimate?.[0];
  if (estimate) tell(detail, { kind: "done", text: estimate.summary });
  if (!report) return;
  const isCached = runOf(detail.prompt_id).cached?.includes(String(detail.node));
  const node = tell(detail, finished(isCached ? { ...report, replayed: true } : report));
  if (node) endPreview(node, detail.node);
  // What it says by now need not be what it asked.
  for (const { model } of node ? (report.models ?? [report]) : []) if (model) noteUse(model);
}

function fail(detail) {
  const { message: text, charged, call, code } = detail.error;
  tell(detail, { kind: "error", text, code, isFree: charged === "not charged" && !call });
  const { workflow = workflowId(), asked } = runOf(detail.prompt_id);
  showCard(detail, workflow, asked?.get(detail.node));
}
