// Sockets that come and go while a workflow is edited.

import { slotOf } from "./graph.js";

/** What sockets that were removed are called in the user's language. @type {WeakMap<import("./graph.js").Node, Map<string, string>>} */
const removedNames = new WeakMap();

/**
 * Add a socket; a numbered one stands behind the one before it. There, and so called, the oldest frontend puts it when it
 * opens the graph again: where undo and redo made another graph of it, that would be a step of its own.
 */
export function addSocket(node, name, type) {
  const localized = removedNames.get(node)?.get(name);
  node.addInput(name, type, { shape: 7, ...(localized && { localized_name: localized }) });
  const place = slotOf(node, name.replace(/\d+$/, (number) => String(Number(number) - 1))) + 1;
  if (!place) return;
  node.inputs.splice(place, 0, ...node.inputs.splice(-1));
  for (let slot = place + 1; slot < node.inputs.length; slot++) {
    const link = node.getInputLink(slot);
    if (link) link.target_slot = slot;
  }
}

export function removeSocket(node, name) {
  const slot = slotOf(node, name);
  const { localized_name: localized } = node.inputs[slot];
  if (localized) removedNames.set(node, (removedNames.get(node) ?? new Map()).set(name, localized));
  node.removeInput(slot);
}
