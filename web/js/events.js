// What the nodes say while a graph runs, brought to their bars.

import { listen, onQueued } from "./host/frontend.js";
import { nodeAt, titleOf, workflowId } from "./host/graph.js";
import { queueAgain, running } from "./host/queue.js";
import { slugsOf } from "./nodes.js";
import { end, finished, keep } from "./outcomes.js";
import { noteUse } from "./picker.js";
import { giveUp } from "./server.js";
import { t } from "./text.js";
import { showToast } from "./toast.js";

/** Listen to the host, once. */
export function hearRuns() {
  onQueued((promptId, workflow, tab) => runs.set(promptId, { workflow, tab }));
  listen("execution_start", ({ prompt_id: promptId }) => runOf(promptId));
  listen("lumenfall.progress", (detail) => tell(detail, { kind: "running", text: detail.text }));
  listen("lumenfall.error", fail);
  listen("executed", show);
  for (const event of ENDS) listen(event, async ({ prompt_id: promptId }) => (await runOf(promptId)) && end(promptId));
}

const ENDS = ["execution_success", "execution_error", "execution_interrupted"];
const MOST_RUNS = 200;
/** @type {Map<string, {workflow?: string, tab?: object} | Promise<{workflow?: string, tab?: object}>>} */
const runs = new Map();

/** The workflow of a prompt: another may be opened while it runs, and have a node of the same id. */
function runOf(promptId) {
  if (!runs.has(promptId)) {
    // Queued by no one here, or before a reload.
    const asked = running().then((sent) => ({ workflow: sent.get(promptId)?.extra_pnginfo?.workflow?.id }));
    runs.set(
      promptId,
      asked.catch(() => ({})),
    );
    if (runs.size > MOST_RUNS) runs.delete([...runs.keys()][0]);
  }
  return runs.get(promptId);
}

/** Say something of the node that an event is about; the node, or null where it is not in the workflow that is open. */
async function tell({ node: id, prompt_id: promptId }, told) {
  const { workflow = workflowId(), tab } = (await runOf(promptId)) ?? {};
  keep(workflow, id, { ...told, promptId, tab });
  return workflow === workflowId() ? nodeAt(id) : null;
}

async function show(detail) {
  const report = detail.output?.lumenfall?.[0];
  const estimate = detail.output?.lumenfall_estimate?.[0];
  if (estimate) await tell(detail, { kind: "done", text: estimate.summary });
  if (!report) return;
  const node = await tell(detail, finished(report));
  for (const slug of (node && slugsOf(node)) ?? []) if (slug) noteUse(slug);
}

// The values of Charged in nodes/errors.py.
const CHARGED = {
  charged: "errors.charged",
  "not charged": "errors.notCharged",
  "may have been charged": "errors.maybeCharged",
};

async function fail(told) {
  const { error, link } = told;
  const node = await tell(told, { kind: "error", text: error.message });
  showToast({
    kind: "error",
    key: error.request_id ?? `${told.node}`,
    title: titleOf(node) ?? "Lumenfall",
    text: [error.message, error.hint].filter(Boolean).join(" "),
    facts: [error.code, CHARGED[error.charged] ? t(CHARGED[error.charged]) : error.charged, error.request_id].filter(Boolean),
    link: link ? { href: link, text: t("errors.openRequest") } : null,
    actions: error.call
      ? [{ text: t("errors.sendAgain"), run: () => sendAgain(error.call, told.prompt_id, titleOf(node)) }]
      : [],
  });
}

/** The graph as it was queued, and not as it may be now: the user has said so of that request. */
async function sendAgain(call, promptId, title = "Lumenfall") {
  try {
    await giveUp(call);
    await queueAgain(promptId);
  } catch (error) {
    const { message, hint, code } = error;
    showToast({
      kind: "error",
      key: call,
      title,
      text: [message, hint].filter(Boolean).join(" "),
      facts: [code].filter(Boolean),
    });
  }
}
