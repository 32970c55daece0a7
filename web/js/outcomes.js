// What was last said of each node: its stage while it runs, then its cost or its error. It is kept beside the nodes, which
// undo makes anew, and so does whoever opens the tab of their workflow again.

import { changed } from "./host/changes.js";
import { openWorkflow } from "./host/frontend.js";
import { workflowId } from "./host/graph.js";
import { money, t } from "./text.js";

/**
 * `kind` is idle, running, stopped, done, replayed or error; `title` says more; `costs` are what it cost, by currency,
 * undefined where that is not known; `tab` is the one that the run was started from; `asked` is what it asked of the node.
 *
 * @typedef {{kind: string, text: string, title?: string, costs?: Record<string, number>, promptId?: string, tab?: object,
 *   asked?: string, at: number}} Told
 */

/** @type {Told} */
export const IDLE = { kind: "idle", text: "", at: 0 };

const MOST = 1000;
/** @type {Map<string, Told>} */
const kept = new Map();
/** @type {Set<string | undefined>} */
const ended = new Set();
let moment = 0;

/**
 * Keep what is said of the node that runs under `id` in a workflow.
 *
 * @param {string} workflow
 * @param {string} id
 * @param {Omit<Told, "at">} told
 */
export function keep(workflow, id, told) {
  const name = `${workflow}/${id}`;
  const before = kept.get(name);
  // What was said on the way may be heard after what came of it.
  const isOver = ended.has(told.promptId) || (before?.promptId === told.promptId && before?.kind !== "running");
  if (told.kind === "running" && told.promptId && isOver) return;
  kept.delete(name);
  kept.set(name, { ...told, at: ++moment });
  if (kept.size > MOST) kept.delete([...kept.keys()][0]);
  changed();
}

/** What was last said of the node that runs under `id` in the workflow that is open. */
export function recall(id) {
  const told = kept.get(`${workflowId()}/${id}`);
  const open = openWorkflow();
  // Two tabs may have opened the same file. While a tab is being opened the frontend names the one before.
  const isOther = told?.tab && told.tab !== open && open?.activeState?.id === workflowId();
  return isOther ? undefined : told;
}

/** Say nothing of that node any more. */
export function forget(id) {
  kept.delete(`${workflowId()}/${id}`);
}

/** A prompt has ended: nothing runs in it any more. What a node said last, such as that it was stopped, stays. */
export function end(promptId) {
  ended.add(promptId);
  if (ended.size > MOST) ended.delete([...ended][0]);
  for (const told of kept.values()) if (told.promptId === promptId && told.kind === "running") told.kind = "stopped";
  changed();
}

/** What is told by a report, which a node makes of itself: see nodes/contract/outputs.py. */
export function finished(report) {
  const facts = [report.replayed ? t("node.replayed", { price: money(0, report.currency) }) : costOf(report)];
  if (report.provider && !report.replayed) facts.push(report.provider);
  if (report.seconds && !report.replayed) facts.push(t("node.seconds", { count: Math.round(report.seconds) }));
  if (report.failures?.length) facts.push(t("node.failed", { count: report.failures.length }));
  const notes = report.notes ?? [];
  if (notes.length) facts.push(t("node.notes", { count: notes.length }));
  const title = [report.executed_model ?? report.model, report.request_id, ...notes].filter(Boolean).join("\n");
  const kind = report.replayed ? "replayed" : "done";
  return { kind, text: facts.join(" \u00b7 "), title, costs: costsOf(report) };
}

/** What is to be said of a node that holds others: what runs in it, what failed, or what all of it cost in its last run. */
export function together(tolds) {
  const [last] = tolds.filter(Boolean).sort((one, other) => other.at - one.at);
  if (!last) return IDLE;
  const same = tolds.filter((told) => told?.promptId === last.promptId);
  const telling = ["running", "error", "stopped"].flatMap((kind) => same.filter((told) => told.kind === kind))[0];
  if (telling || same.length === 1) return telling ?? last;
  if (same.every(({ kind }) => kind === "replayed")) return last;
  const costs = {};
  for (const told of same) {
    if (!told.costs) return { ...last, text: t("node.unknownCost"), title: undefined };
    for (const [currency, amount] of Object.entries(told.costs)) costs[currency] = (costs[currency] ?? 0) + amount;
  }
  return { ...last, kind: "done", text: sumText(costs), title: same.map(({ text }) => text).join("\n") };
}

/** What is to be said of the last run of the nodes that run under these ids; empty where none ran. */
export function lastRun(ids) {
  return together(ids.map(recall)).text;
}

/** @returns {Record<string, number> | undefined} */
function costsOf({ replayed, costs, cost, currency }) {
  if (replayed) return {};
  if (Object.keys(costs ?? {}).length) return costs;
  return cost === null || cost === undefined ? undefined : { [currency]: cost };
}

function costOf(report) {
  const costs = costsOf(report);
  return costs ? sumText(costs) : t("node.unknownCost");
}

function sumText(costs) {
  return Object.entries(costs)
    .map(([currency, amount]) => money(amount, currency))
    .join(" + ");
}
