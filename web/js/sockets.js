// Sockets that appear as they are used. The node class declares all of them, so that a graph without a browser may
// use any; here only those in use are shown, and the next one.

import { holdChange } from "./host/changes.js";
import { fileBeingOpened, isLoading } from "./host/frontend.js";
import { grow, hasSocket, isLinked, neededHeight, watchSockets } from "./host/graph.js";
import { addSocket, removeSocket } from "./host/slots.js";

/** Show, of the inputs prefix + first ... prefix + last, those that are linked and the first that is not. */
export function keepOneFree(node, prefix, first, last) {
  // When a workflow is opened, in time to be part of what the frontend takes for it: what changed later would be a step
  // of undo that nobody made, and undoing it would bring it back at once.
  watchSockets(node, later, tidy);

  let waiting = false;
  // Who links nodes may go on to link others; nothing may move under him meanwhile.
  function later() {
    if (waiting || isLoading()) return;
    waiting = true;
    const opened = fileBeingOpened();
    if (opened) {
      // The graph is not the open workflow's yet, and would be taken for what became of that.
      opened.then(() => end(holdChange()));
    } else {
      const done = holdChange();
      setTimeout(() => end(done));
    }
  }

  function end(done) {
    waiting = false;
    try {
      tidy();
    } finally {
      done();
    }
  }

  function tidy() {
    let free = 0;
    let moved = 0;
    const needed = neededHeight(node);
    for (let number = first; number <= last; number++) {
      const name = prefix + number;
      if (isLinked(node, name)) continue;
      free += 1;
      const isThere = hasSocket(node, name);
      if (free > 1 && isThere) removeSocket(node, name);
      else if (free === 1 && !isThere) addSocket(node, name, "IMAGE");
      else continue;
      moved += free > 1 ? -1 : 1;
    }
    // What a person, or we, gave it beyond that it keeps.
    if (moved && !isLoading()) grow(node, neededHeight(node) - needed);
  }
}
