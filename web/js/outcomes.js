// What was last said of each node: its stage while it runs, then its cost or its error. It is kept beside the nodes, which
// undo makes anew, and so does whoever opens the tab of their workflow again; and over a reload of the page.

import { changed } from "./host/changes.js";
import { isOpen, openWorkflow } from "./host/frontend.js";
import { workflowId } from "./host/graph.js";
import { money, t } from "./text.js";

/**
 * `kind` is idle, running, stopped, done, replayed or error; `title` says more; `costs` are what it cost, by currency,
 * undefined where that is not known; `report` is what text and title say, in whatever language; `tab` is the one that the
 * run was started from, after a reload its `path`; `asked` is what it asked of the node; `isFree`: it failed, and nothing
 * was charged; `code` is that of its error.
 *
 * @typedef {{kind: string, text: string, title?: string, costs?: Record<string, number>, report?: object,
 *   promptId?: string, tab?: object, path?: string, asked?: string, isFree?: boolean, code?: string, at: number}} Told
 */

/** @type {Told} */
export const IDLE = { kind: "idle", text: "", at: 0 };

const MOST = 1000;
const MOST_RELOADED = 200;
const KEPT = "lumenfall.told";
/** @type {Map<string, Told>} */
const kept = new Map();
/** Where what is said of a node is said too. @type {Map<string, string>} */
const heirs = new Map();
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
  for (let name = nameOf(workflow, id); name; name = heirs.get(name) ?? "") put(name, told);
  changed();
}

function nameOf(workflow, id) {
  return `${workflow}/${id}`;
}

function put(name, told) {
  const before = kept.get(name);
  // What was said on the way may be heard after what came of it.
  const isOver = ended.has(told.promptId) || (before?.promptId === told.promptId && before?.kind !== "running");
  if (told.kind === "running" && told.promptId && isOver) return;
  kept.delete(name);
  kept.set(name, { ...told, at: ++moment });
  if (kept.size > MOST) kept.delete([...kept.keys()][0]);
}

/** What was last said of the node that runs under `id` in the workflow that is open. */
export function recall(id) {
  const told = kept.get(nameOf(workflowId(), id));
  if (!told) return undefined;
  const open = openWorkflow();
  // Two tabs may have opened the same file. While a tab is being opened the frontend names the one before.
  const isOther = told.tab ? told.tab !== open : told.path && told.path !== open?.path && isOpen(told.path);
  if (isOther && open?.activeState?.id === workflowId()) return undefined;
  return told.report ? { ...told, ...wordsOf(told.report) } : told;
}

/** The last report of the node that runs under `id` in a workflow, where that is what was last said of it. */
export function reportOf(workflow, id) {
  return kept.get(nameOf(workflow, id))?.report;
}

/** What runs under the id `heir` is the node that ran under `id`, in the workflow that is open: it was put elsewhere. */
export function inherit(id, heir) {
  const [name, other] = [nameOf(workflowId(), id), nameOf(workflowId(), heir)];
  heirs.delete(other);
  heirs.set(name, other);
  const told = kept.get(name);
  if (told) kept.set(other, told);
}

/** Go on over a reload of this tab, from now on. */
export function outliveReloads() {
  try {
    for (const [name, told] of JSON.parse(sessionStorage.getItem(KEPT) ?? "[]")) kept.set(name, told);
  } catch {
    // It is not allowed, or of another version.
  }
  moment = Math.max(0, ...[...kept.values()].map(({ at }) => at));
  window.addEventListener("pagehide", () => {
    const last = [...kept].slice(-MOST_RELOADED);
    const plain = last.map(([name, { tab, ...told }]) => [name, { ...told, path: tab?.path ?? told.path }]);
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(plain));
    } catch {
      // It is full, or not allowed.
    }
  });
}

/** The prompts in which something still runs, as far as was heard. */
export function promptsInTheAir() {
  const running = [...kept.values()].filter(({ kind, promptId }) => kind === "running" && promptId);
  return [...new Set(running.map(({ promptId }) => /** @type {string} */ (promptId)))];
}

/** Say nothing of that node any more. */
export function forget(id) {
  const name = nameOf(workflowId(), id);
  kept.delete(name);
  heirs.delete(name);
}

/** Say nothing more of failures that cost nothing and have one of these codes: they are mended. */
export function forgetFailures(codes) {
  for (const [name, told] of [...kept]) if (told.isFree && codes.includes(told.code)) kept.delete(name);
  changed();
}

/**
 * A prompt has ended: nothing runs in it any more. What a node said last, such as that it was stopped, stays, unless `text`
 * is said instead.
 */
export function end(promptId, text) {
  ended.add(promptId);
  if (ended.size > MOST) ended.delete([...ended][0]);
  for (const told of kept.values()) {
    if (told.promptId === promptId && told.kind === "running") Object.assign(told, { kind: "stopped", ...(text && { text }) });
  }
  changed();
}

/** What is told by a report, which a node makes of itself: see nodes/contract/outputs.py. */
export function finished(report) {
  const kind = report.replayed ? "replayed" : "done";
  return { kind, ...wordsOf(report), costs: costsOf(report), report };
}

function wordsOf(report) {
  const facts = [report.replayed ? t("node.replayed", { price: money(0, report.currency) }) : costOf(report)];
  if (report.provider && !report.replayed) facts.push(report.provider);
  if (report.seconds && !report.replayed) facts.push(t("node.seconds", { count: Math.round(report.seconds) }));
  if (report.failures?.length) facts.push(t("node.failed", { count: report.failures.length }));
  const notes = report.notes ?? [];
  if (notes.length) facts.push(t("node.notes", { count: notes.length }));
  const title = [report.executed_model ?? report.model, report.request_id, ...notes].filter(Boolean).join("\n");
  return { text: facts.join(" \u00b7 "), title };
}

/** What is to be said of a node that holds others: what runs in it, what failed, or what all of it cost in its last run. */
export function together(tolds) {
  const [last] = tolds.filter(Boolean).sort((one, other) => other.at - one.at);
  if (!last) return IDLE;
  // What was refused before it ran has no prompt.
  const same = tolds.flatMap((told) => (told?.promptId === last.promptId ? (told ?? []) : []));
  const telling = ["running", "error", "stopped"].flatMap((kind) => same.filter((told) => told.kind === kind))[0];
  if (telling || same.length === 1) return telling ?? last;
  if (same.every(({ kind }) => kind === "replayed")) return last;
  const costs = {};
  for (const told of same) {
    if (!told.costs) return { ...last, text: t("node.unknownCost"), title: undefined };
    for (const [currency, amount] of Object.entries(told.costs)) costs[currency] = (costs[currency] ?? 0) + amount;
  }
  const isAbout = same.some(({ report }) => report?.approximate);
  return { ...last, kind: "done", text: sumText(costs, isAbout), title: same.map(({ text }) => text).join("\n") };
}

/** What is to be said of the last run of the nodes that run under these ids; its text is empty where none ran. */
export function lastRun(ids) {
  return together(ids.map(recall));
}

/** @returns {Record<string, number> | undefined} */
function costsOf({ replayed, costs, cost, currency }) {
  if (replayed) return {};
  if (Object.keys(costs ?? {}).length) return costs;
  return cost === null || cost === undefined ? undefined : { [currency]: cost };
}

function costOf(report) {
  const costs = costsOf(report);
  return costs ? sumText(costs, report.approximate) : t("node.unknownCost");
}

/** `isAbout`: some of it was told from tokens and a price list. */
function sumText(costs, isAbout) {
  const sum = Object.entries(costs)
    .map(([currency, amount]) => money(amount, currency))
    .join(" + ");
  return (isAbout ? "\u2248 " : "") + sum;
}
