// Elements of ours on nodes.

import { onChange } from "./changes.js";
import { shownGraph } from "./frontend.js";

const elements = new WeakMap(); // of nodes
const owners = new WeakMap(); // of elements
const MARK = "lumenfall-mounted";

/**
 * Show an element at the foot of a node; it is saved neither with the workflow nor in the prompt. `label` is what it is
 * called where an app shows it.
 */
export function mount(node, name, element, height, label) {
  onChange(mountAgain);
  element.classList.add(MARK);
  elements.set(node, element);
  owners.set(element, node);
  const widget = node.addDOMWidget(name, name, element, {
    serialize: false,
    hideOnZoom: false,
    // A row of the properties panel would show its name, and nothing beside it.
    hideInPanel: true,
    getMinHeight: () => height,
    getMaxHeight: () => height,
    getValue: () => "",
    setValue: () => {},
  });
  widget.serialize = false;
  widget.label = label;
}

/**
 * Undo and redo make all nodes anew. Nodes 2.0 takes them for the old ones where the ids are the same, and goes on
 * showing the elements of the old ones: the new ones take their places.
 */
function mountAgain() {
  for (const element of document.querySelectorAll(`.${MARK}`)) {
    const node = owners.get(element);
    if (!node || node.graph?.getNodeById?.(node.id) === node) continue;
    const now = shownGraph().getNodeById(node.id);
    const heir = now && elements.get(now);
    if (heir && !heir.isConnected) element.replaceWith(heir);
  }
}
