// What is asked of ComfyUI: steps of undo, which graph is looked at, and the runs in its queue.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";

/**
 * Change the graph. It becomes a step of undo of its own, and part of what the frontend keeps for a reload; the
 * frontend does not look by itself when code changes the graph.
 */
export function change(act) {
  // What was changed before, such as a text that is still being typed, stays a step of its own.
  holdChange()();
  const done = holdChange();
  try {
    return act();
  } finally {
    done();
  }
}

/** Let all that changes until the returned function is called be one step of undo. */
export function holdChange() {
  const { canvas } = app;
  const workflow = openWorkflow();
  canvas.emitBeforeChange();
  return () => {
    if (openWorkflow() === workflow) canvas.emitAfterChange();
    // Another one was opened meanwhile; its steps are not counted for this one, nor this one's graph looked at.
    else if (workflow?.changeTracker?.changeCount > 0) workflow.changeTracker.changeCount -= 1;
  };
}

function openWorkflow() {
  return app.extensionManager?.workflow?.activeWorkflow;
}

/** Set the value of a widget as its own control does, so that whoever listens to it hears of it. */
export function writeWidget(node, widget, value) {
  if (widget.setValue) {
    widget.setValue(value, { node, canvas: app.canvas });
  } else {
    widget.value = value;
    widget.callback?.(value, app.canvas, node);
  }
}

/** Whether a workflow is being opened, or brought back by undo: its nodes are there, but not yet what they will be. */
export function isLoading() {
  return Boolean(app.configuringGraph);
}

/** Whether the node is in a graph still. */
export function isAlive(node) {
  return node.graph?.getNodeById?.(node.id) === node;
}

/** The graph that is looked at: a subgraph, where one is open. */
export function shownGraph() {
  return app.canvas.graph ?? app.graph;
}

/** Call `listener` with the id of each prompt that this page has queued, and `ended` after the last of one command. */
export function onQueued(listener, ended) {
  // No event tells the id before the prompt runs.
  const { queuePrompt } = api;
  api.queuePrompt = async function (...args) {
    const answer = await queuePrompt.apply(this, args);
    if (answer?.prompt_id) listener(answer.prompt_id);
    return answer;
  };
  api.addEventListener("promptQueued", ended);
}

/** The prompts that run now: what was sent with each, by its id. */
export async function running() {
  const queue = await (await api.fetchApi("/queue", { cache: "no-store" })).json();
  return new Map(queue.queue_running.map(([, id, , extra]) => [id, extra]));
}

/** Take prompts out of the queue, and stop the one that runs, if it is one of them. Never another. Throws Error. */
export async function stopRuns(promptIds) {
  // The waiting ones first: else the next starts as soon as the running one has ended.
  await send("/queue", { delete: promptIds });
  const now = await running();
  // Without an id, and with one on a host that knows none, an interrupt stops whatever runs.
  for (const id of promptIds.filter((one) => now.has(one))) await send("/interrupt", { prompt_id: id });
}

/** Queue the graph of a prompt once more, as it was when that prompt was queued. Throws Error. */
export async function queueAgain(promptId) {
  const queued = await sent(promptId);
  if (!queued) throw new Error(`/history: ${promptId}`);
  const [, , output, extra] = queued;
  await api.queuePrompt(0, { output, workflow: extra?.extra_pnginfo?.workflow });
  // As ComfyUI's own Run says it: what is queued next is another command.
  api.dispatchEvent(new CustomEvent("promptQueued", { detail: { number: 0, batchCount: 1 } }));
}

/** What was sent with a prompt that runs or has run. */
async function sent(promptId) {
  const known = await (await api.fetchApi(`/history/${promptId}`, { cache: "no-store" })).json();
  if (known[promptId]) return known[promptId].prompt;
  const queue = await (await api.fetchApi("/queue", { cache: "no-store" })).json();
  return queue.queue_running.find(([, id]) => id === promptId);
}

async function send(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await api.fetchApi(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
}
