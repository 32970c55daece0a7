// A workflow that is opened and names a model that has ended: a card says so, and offers what comes after it. Nothing is
// replaced unless the user says so.

import { nameOfSlug } from "./accepts.js";
import { change, onChange } from "./host/changes.js";
import { isLoading, openWorkflow } from "./host/frontend.js";
import { places, titleOf, workflowId } from "./host/graph.js";
import { findModel, hasEnded, knownModels } from "./models.js";
import { isPaid, replaceModel, slugsOf } from "./nodes.js";
import { date, t } from "./text.js";
import { closeToast, showToast } from "./toast.js";

const KEY = "ended";
/** The tabs that were looked at when they were opened. @type {WeakSet<object>} */
const seen = new WeakSet();
/** @type {object | null} */
let shownFor = null;

/** Tell of ended models whenever a workflow is opened, from now on. */
export function watchEnded() {
  onChange(look);
}

function look() {
  const tab = openWorkflow();
  // The list may come after the workflow.
  if (!tab || isLoading() || !knownModels().models.length) return;
  // While a tab is being opened the frontend names the one before.
  if (tab.activeState?.id && tab.activeState.id !== workflowId()) return;
  const ended = endedHere();
  if (shownFor && (shownFor !== tab || !ended.length)) {
    closeToast(KEY);
    shownFor = null;
  }
  if (seen.has(tab)) return;
  seen.add(tab);
  if (ended.length) tell(tab, ended);
}

/** Each ended model that is asked, by the slug that the nodes say. */
function endedHere() {
  const nodes = [...new Set([...places()].map((place) => place.node))].filter(isPaid);
  const asked = nodes.flatMap((node) => (slugsOf(node) ?? []).map((slug) => ({ node, slug, model: findModel(slug) })));
  return asked.filter(({ model }) => hasEnded(model));
}

function tell(tab, ended) {
  const lines = [...new Set(ended.map(({ model }) => model))].map((model) => {
    const titles = ended.filter((each) => each.model === model).map(({ node }) => titleOf(node));
    const values = { model: model?.name ?? "", date: date(model?.ends), nodes: [...new Set(titles)].join(", ") };
    return t("ended.told", values);
  });
  const successors = [...new Set(ended.flatMap(({ model }) => model?.successors ?? []))];
  shownFor = tab;
  showToast({
    kind: "warning",
    key: KEY,
    title: t("ended.title"),
    text: lines.join(" "),
    actions: successors.map((slug) => ({
      text: t("ended.use", { model: nameOfSlug(slug) }),
      run: () => replaceAll(slug),
    })),
  });
}

/** Where this is the successor, in one step of undo. */
function replaceAll(successor) {
  const replaced = endedHere().filter(({ model }) => model?.successors.includes(successor));
  change(() => replaced.forEach(({ node, slug }) => replaceModel(node, slug, successor)));
}
