// The card of a node's error: what went wrong, what it may have cost, and what can be done about it. One a node; it goes
// when the node runs again, is mended or is no more.

import { barOf } from "./bar.js";
import { maskPainting, paintMask } from "./host/canvas.js";
import { onChange } from "./host/changes.js";
import { isLoading } from "./host/frontend.js";
import { nodeAt, titleOf, workflowId } from "./host/graph.js";
import { queueAgain } from "./host/queue.js";
import { askedOf } from "./host/states.js";
import { canChoose } from "./nodes.js";
import { forgetFailures } from "./outcomes.js";
import { giveUp, told } from "./server.js";
import { openSettings, settingsListeners } from "./settings.js";
import { t } from "./text.js";
import { closeToast, showToast } from "./toast.js";

// Codes of nodes/errors.py and nodes/pixels/, by what mends them.
const MASK = ["EMPTY_MASK", "MASK_BATCH", "MASK_SHAPE", "TOO_MANY_ISLANDS"];
const MODEL = ["MODEL_NOT_FOUND", "MODEL_DISABLED", "MODEL_NOT_ALLOWED"];
const SETTINGS = [
  "NO_API_KEY",
  "AUTHENTICATION_FAILED",
  "ACCESS_DENIED",
  "BASE_URL",
  "BUDGET_EXCEEDED",
  "CURRENCY_UNKNOWN",
  "PRICE_UNKNOWN",
  "SETTINGS",
];

// The values of Charged in nodes/errors.py.
const CHARGED = {
  charged: "errors.charged",
  "not charged": "errors.notCharged",
  "may have been charged": "errors.maybeCharged",
};

/** What is kept of the cards: by their keys. */
const shown = new Map();

/** Close cards that have become pointless, from now on. */
export function watchCards() {
  onChange(() => {
    if (!isLoading()) closeWhere(isOutdated);
  });
  settingsListeners.add(() => {
    closeWhere(({ code }) => SETTINGS.includes(code));
    forgetFailures(SETTINGS);
  });
}

function isOutdated({ workflow, id, asked }) {
  if (workflow !== workflowId()) return false;
  const node = nodeAt(id);
  return !node || (asked !== undefined && asked !== askedOf(node));
}

function closeWhere(isPointless) {
  for (const card of shown.values()) if (isPointless(card)) closeCard(card.workflow, card.id);
}

/** Close the card of the node that runs under `id` in a workflow. */
export function closeCard(workflow, id) {
  const key = keyOf(workflow, id);
  if (shown.delete(key)) closeToast(key);
}

function keyOf(workflow, id) {
  return `node ${workflow}/${id}`;
}

/**
 * Show the card of an error, as the event lumenfall.error has it, of a node in a workflow; `asked` is what the run asked of
 * the node.
 *
 * @param {{node: string, prompt_id?: string, error: any, link?: string | null}} detail
 * @param {string} workflow
 * @param {string} [asked]
 */
export function showCard({ node: id, prompt_id: promptId, error, link }, workflow, asked) {
  const find = () => (workflow === workflowId() ? nodeAt(id) : null);
  const node = find();
  const key = keyOf(workflow, id);
  // What may be paid for twice is decided by the user, whatever the node says by now.
  shown.set(key, { workflow, id, code: error.code, asked: error.call ? undefined : node ? askedOf(node) : asked });
  const charged = CHARGED[error.charged] ? t(CHARGED[error.charged]) : error.charged;
  const facts = [error.code, charged, error.request_id].filter(Boolean).map(String);
  showToast({
    kind: "error",
    key,
    title: titleOf(node) ?? "Lumenfall",
    text: told(error),
    facts,
    link: link ? { href: link, text: t("errors.lookUp") } : null,
    actions: [
      ...mending(error, find),
      ...(error.call
        ? [{ text: t("errors.sendAgain"), run: () => sendAgain(error.call, promptId, key, titleOf(node)) }]
        : []),
      { text: t("errors.copy"), stays: true, run: (button) => copy([told(error), ...facts].join("\n"), button) },
    ],
  });
}

/** What opens the place where such an error is mended. The card stays until it is. */
function mending({ code }, find) {
  const actions = [];
  if (MASK.includes(code) && maskPainting(find()))
    actions.push({ text: t("errors.openMask"), run: () => paintMask(maskPainting(find())) });
  if (SETTINGS.includes(code)) actions.push({ text: t("errors.openSettings"), run: openSettings });
  if (MODEL.includes(code) && find() && canChoose(find()))
    actions.push({ text: t("errors.chooseModel"), run: () => barOf(find())?.pick() });
  return actions.map((action) => ({ ...action, stays: true }));
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = t("errors.copied");
  } catch {
    // Only pages over https, or of this machine, may: what is selected is copied by hand.
    window.getSelection()?.selectAllChildren(button.closest(".lumenfall-toast"));
  }
}

/** The graph as it was queued, and not as it may be now: the user has said so of that request. */
async function sendAgain(call, promptId, key, title = "Lumenfall") {
  try {
    await giveUp(call);
    await queueAgain(promptId);
  } catch (error) {
    showToast({ kind: "error", key, title, text: told(error), facts: [error.code].filter(Boolean) });
  }
}
