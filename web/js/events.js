// What the nodes say while a graph runs, brought to their bars.

import { barOf } from "./bar.js";
import { listen } from "./host/frontend.js";
import { nodeAt, titleOf, workflowId } from "./host/graph.js";
import { queueAgain, running } from "./host/queue.js";
import { slugsOf } from "./nodes.js";
import { noteUse } from "./picker.js";
import { giveUp } from "./server.js";
import { t } from "./text.js";
import { showToast } from "./toast.js";

/** Listen to the host, once. */
export function hearRuns() {
  listen("execution_start", (detail) => learnWorkflow(detail.prompt_id));
  listen("lumenfall.progress", (detail) => barOf(nodeOf(detail))?.progress(detail.text));
  listen("lumenfall.error", fail);
  listen("executed", (detail) => show(nodeOf(detail), detail.output));
}

const MOST_RUNS = 50;
const workflows = new Map();

/** Another workflow may be opened while this one runs, and have a node of the same id. */
async function learnWorkflow(promptId) {
  const sent = (await running()).get(promptId);
  workflows.set(promptId, sent?.extra_pnginfo?.workflow?.id);
  if (workflows.size > MOST_RUNS) workflows.delete(workflows.keys().next().value);
}

/** The node that an event is about; null where it is not in the workflow that is open. */
function nodeOf({ node, prompt_id: promptId }) {
  const workflow = workflows.get(promptId);
  return !workflow || workflow === workflowId() ? nodeAt(node) : null;
}

function show(node, output) {
  const bar = barOf(node);
  const report = output?.lumenfall?.[0];
  const estimate = output?.lumenfall_estimate?.[0];
  if (bar && report) {
    bar.finish(report);
    for (const slug of slugsOf(node) ?? []) if (slug) noteUse(slug);
  } else if (bar && estimate) {
    bar.say(estimate.summary, "done");
  }
}

// The values of Charged in nodes/errors.py.
const CHARGED = {
  charged: "errors.charged",
  "not charged": "errors.notCharged",
  "may have been charged": "errors.maybeCharged",
};

function fail(told) {
  const { error, link } = told;
  const node = nodeOf(told);
  barOf(node)?.fail(error.message);
  showToast({
    kind: "error",
    key: error.request_id ?? `${told.node}`,
    title: titleOf(node) ?? "Lumenfall",
    text: [error.message, error.hint].filter(Boolean).join(" "),
    facts: [error.code, t(CHARGED[error.charged]), error.request_id].filter(Boolean),
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
