// Sockets that appear as they are used. The node class declares all of them, so that a graph without a browser may
// use any; here only those in use are shown, and the next one.

/** Show, of the inputs prefix + first ... prefix + last, those that are linked and the first that is not. */
export function keepOneFree(node, prefix, first, last) {
  const { onConnectionsChange } = node;
  node.onConnectionsChange = function (...change) {
    onConnectionsChange?.apply(this, change);
    later();
  };

  let waiting = false;
  // A graph that is being loaded links its nodes one by one; nothing may move under it meanwhile.
  function later() {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      tidy();
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
    if (slots.size !== node.inputs.length) node.setSize?.([node.size[0], node.computeSize()[1]]);
  }

  later();
}
