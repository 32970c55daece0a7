// What of a node is folded away at first. Nodes 2.0 folds what is advanced, and has a button for it; the classic canvas
// leaves gaps in its place, so it is hidden there, and the button is ours.

import { change } from "./changes.js";
import { graphCanvas, isClassic, rootGraph } from "./frontend.js";
import { grow, isLinked, neededHeight } from "./graph.js";

/** What is folded away where nothing asks for it. @type {WeakSet<object>} */
const rare = new WeakSet();

/**
 * Fold away the widgets of these names, and those that the node's class declares as advanced; not what is linked, nor what
 * the workflow shows as an app, where ComfyUI would leave an empty place for it.
 */
export function foldAway(node, names) {
  const inApp = shownInApp(node);
  for (const widget of node.widgets ?? []) {
    const options = (widget.options ??= {});
    if (options.advanced || names.includes(widget.name)) rare.add(widget);
    if (!rare.has(widget)) continue;
    const isShown = inApp.has(widget.name);
    if (Boolean(options.advanced) === isShown) options.advanced = !isShown;
    hide(widget, isClassic() && !isShown && !isUnfolded(node) && !isLinked(node, widget.name));
  }
}

/** The names of a node's widgets that were chosen for the app that its workflow is. */
function shownInApp(node) {
  const graph = rootGraph();
  /** @type {any} */
  const { inputs = [] } = (node.graph === graph && graph?.extra?.linearData) || {};
  return new Set(inputs.filter(([id]) => String(id) === String(node.id)).map(([, name]) => name));
}

function hide(widget, isHidden) {
  if (Boolean(widget.hidden) === isHidden) return;
  widget.hidden = isHidden;
  // Older frontends keep its place free, which is so high and 4 pixels more.
  if (isHidden) widget.computeSize = () => [0, -4];
  else delete widget.computeSize;
}

/** Whether a button of ours is wanted for what is folded away. */
export function needsUnfolding(node) {
  return isClassic() && Boolean(node.widgets?.some((widget) => widget.options?.advanced));
}

export function isUnfolded(node) {
  return Boolean(node.showAdvanced);
}

/** Show what is folded away, or fold it again. */
export function unfold(node, isOpen) {
  change(() => {
    const needed = neededHeight(node);
    node.showAdvanced = isOpen;
    foldAway(node, []);
    grow(node, neededHeight(node) - needed);
    graphCanvas().setDirty(true, true);
  });
}

/** Grey out widgets that cannot matter now; what they say stays. */
export function grey(node, isIdle) {
  for (const widget of node.widgets ?? []) {
    if (!(widget.name in isIdle)) continue;
    if (Boolean(widget.disabled) !== isIdle[widget.name]) widget.disabled = isIdle[widget.name];
  }
}

/** Make a new node so high that its prompt has room for four lines. */
export function makeRoom(node, height) {
  // The size is reckoned as on the classic canvas, also where Nodes 2.0 folds.
  const folded = isUnfolded(node) ? [] : (node.widgets ?? []).filter(({ options, hidden }) => options?.advanced && !hidden);
  for (const widget of folded) hide(widget, true);
  node.setSize?.([Math.max(node.size[0], 400), node.computeSize()[1] + height]);
  for (const widget of folded) hide(widget, false);
}

/** Make a new node at least so wide. */
export function makeWide(node, width) {
  if (node.size[0] < width) node.setSize?.([width, node.size[1]]);
}

const HIDDEN = "lumenfall_picture_hidden";

/** Whether the pictures of a node are folded away; it is saved with the node. */
export function isPictureHidden(node) {
  return Boolean(node.properties?.[HIDDEN]);
}

export function hidePicture(node, isHidden) {
  change(() => {
    if (isHidden) node.properties[HIDDEN] = true;
    else delete node.properties[HIDDEN];
  });
}
