// Elements of ours on nodes.

import { onChange } from "./changes.js";
import { graphCanvas, isClassic, shownGraph } from "./frontend.js";
import { classOf, neededHeight, workflowId } from "./graph.js";

/** Of nodes, by name. @type {WeakMap<object, Map<string, HTMLElement>>} */
const elements = new WeakMap();
/** The node and the name of each. @type {WeakMap<object, {node: any, name: string}>} */
const owners = new WeakMap();
const MARK = "lumenfall-mounted";

/**
 * Show an element at the foot of a node; it is saved neither with the workflow nor in the prompt. `height` gives how high
 * it is, and `label` is what it is called where an app shows it.
 *
 * @param {any} node
 * @param {string} name
 * @param {HTMLElement} element
 * @param {() => number} height
 * @param {string} label
 */
export function mount(node, name, element, height, label) {
  onChange(mountAgain);
  element.classList.add(MARK);
  elements.set(node, (elements.get(node) ?? new Map()).set(name, element));
  owners.set(element, { node, name });
  const widget = node.addDOMWidget(name, name, element, {
    serialize: false,
    hideOnZoom: false,
    // A row of the properties panel would show its name, and nothing beside it.
    hideInPanel: true,
    getMinHeight: height,
    getMaxHeight: height,
    getValue: () => "",
    setValue: () => {},
  });
  widget.serialize = false;
  widget.label = label;
  // The classic canvas places it when it draws next, which for a node that stands there already may be never.
  node.graph?.setDirtyCanvas?.(true, true);
}

/**
 * The node that has taken the place of one that undo or redo has made anew, or the node itself: a menu or a dialog of it
 * may be open meanwhile. `workflow` is the id of the one that it was of.
 */
export function livingNode(node, workflow = workflowId()) {
  if (node.graph?.getNodeById?.(node.id) === node) return node;
  const now = workflow === workflowId() ? shownGraph().getNodeById(node.id) : null;
  return now && classOf(now) === classOf(node) ? now : node;
}

/**
 * Undo and redo make all nodes anew. Nodes 2.0 takes them for the old ones where the ids are the same, and goes on
 * showing the elements of the old ones: the new ones take their places.
 */
function mountAgain() {
  for (const element of document.querySelectorAll(`.${MARK}`)) {
    const { node, name } = owners.get(element) ?? {};
    if (!node || node.graph?.getNodeById?.(node.id) === node) continue;
    const now = shownGraph().getNodeById(node.id);
    const heir = now && elements.get(now)?.get(/** @type {string} */ (name));
    if (heir && !heir.isConnected) element.replaceWith(heir);
  }
}

/** How much higher nodes are than their users made them. @type {WeakMap<object, number>} */
const lent = new WeakMap();

/**
 * Make a node so much higher than its user made it, or no more: what is saved, undone or copied has the user's height. A
 * node of Nodes 2.0 is as high as what it shows, by itself.
 */
export function lendHeight(node, height) {
  const before = lent.get(node) ?? 0;
  const wanted = isClassic() ? height : 0;
  if (before === wanted) return;
  if (!lent.has(node)) {
    const serialised = node.onSerialize;
    node.onSerialize = function (data) {
      serialised?.call(this, data);
      data.size = [data.size[0], ownHeight(node)];
    };
  }
  const own = ownHeight(node);
  lent.set(node, wanted);
  setOwnHeight(node, own);
}

/** How high its user made a node. */
export function ownHeight(node) {
  return node.size[1] - (lent.get(node) ?? 0);
}

/** Make a node as high as its user made it, and what it is lent. */
export function setOwnHeight(node, height) {
  node.setSize([node.size[0], Math.max(height + (lent.get(node) ?? 0), neededHeight(node))]);
  graphCanvas().setDirty(true, true);
}

/** Let the canvas have what is meant for it over an element that covers much of it: the wheel, and the middle button. */
export function passToCanvas(element) {
  const canvas = graphCanvas();
  const isMiddle = (/** @type {PointerEvent} */ { button, buttons }) => button === 1 || (buttons & 4) === 4;
  element.addEventListener("wheel", (event) => isClassic() && canvas.processMouseWheel(event), { passive: false });
  element.addEventListener("pointerdown", (event) => isClassic() && isMiddle(event) && canvas.processMouseDown(event));
  element.addEventListener("pointermove", (event) => isClassic() && isMiddle(event) && canvas.processMouseMove(event));
  element.addEventListener("pointerup", (event) => isClassic() && isMiddle(event) && canvas.processMouseUp(event));
}
