// Sockets that appear as they are used. The node class declares all of them, so that a graph without a browser may
// use any; here only those in use are shown, and the next one.

import { holdChange, isLoading } from "./host.js";

/** Show, of the inputs prefix + first ... prefix + last, those that are linked and the first that is not. */
export function keepOneFree(node, prefix, first, last) {
  const { onAdded, onConnectionsChange, onAfterGraphConfigured } = node;
  node.onAdded = function (...graph) {
    onAdded?.apply(this, graph);
    later();
  };
  node.onConnectionsChange = function (...change) {
    onConnectionsChange?.apply(this, change);
    later();
  };
  // In time to be part of what the frontend takes for the opened workflow: what changed later would be a step of undo
  // that nobody made, and undoing it would bring it back at once.
  node.onAfterGraphConfigured = function (...graph) {
    onAfterGraphConfigured?.apply(this, graph);
    tidy();
  };

  let waiting = false;
  // Who links nodes may go on to link others; nothing may move under him meanwhile.
  function later() {
    if (waiting || isLoading()) return;
    waiting = true;
    const done = holdChange();
    setTimeout(() => {
      waiting = false;
      try {
        tidy();
      } finally {
        done();
      }
    });
  }

  function tidy() {
    const slots = new Map(node.inputs.map((input, slot) => [input.name, slot]));
    let free = 0;
    for (let number = first; number <= last; number++) {
      const name = prefix + number;
      const slot = node.inputs.findIndex((input) => input.name === name);
      const linked = slot >= 0 && node.inputs[slot].link != null;
      if (linked) continue;
      free += 1;
      if (free > 1 && slot >= 0) node.removeInput(slot);
      else if (free === 1 && slot < 0) node.addInput(name, "IMAGE", { shape: 7 });
    }
    if (slots.size !== node.inputs.length && !isLoading()) node.setSize?.([node.size[0], node.computeSize()[1]]);
  }
}
