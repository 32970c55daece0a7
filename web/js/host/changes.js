// What changes the graph: we do, as steps of undo, and others, which is to be heard.

import { graphCanvas, listen, openWorkflow } from "./frontend.js";

/**
 * Change the graph. It becomes a step of undo of its own, and part of what the frontend keeps for a reload; the
 * frontend does not look by itself when code changes the graph.
 */
export function change(act) {
  // What was changed before, such as a text that is still being typed, stays a step of its own.
  holdChange()();
  const done = holdChange();
  try {
    return act();
  } finally {
    done();
  }
}

/** Let all that changes until the returned function is called be one step of undo. */
export function holdChange() {
  const canvas = graphCanvas();
  const workflow = openWorkflow();
  const tracker = workflow?.changeTracker;
  canvas.emitBeforeChange();
  return () => {
    if (openWorkflow() === workflow) canvas.emitAfterChange();
    // Another one was opened meanwhile; its steps are not counted for this one, nor this one's graph looked at.
    else if (tracker && tracker.changeCount > 0) tracker.changeCount -= 1;
  };
}

const TOUCHES = ["pointerdown", "keydown", "beforeinput", "drop"];

/**
 * The same, which ends when the user does something: that is no part of it. What takes long, such as a picture that is
 * waited for, may end later.
 */
export function holdUntilTouched() {
  const done = holdChange();
  let isOver = false;
  const end = () => {
    if (isOver) return;
    isOver = true;
    for (const touch of TOUCHES) window.removeEventListener(touch, end, true);
    done();
  };
  for (const touch of TOUCHES) window.addEventListener(touch, end, true);
  return end;
}

/** @type {Set<() => void>} */
const listeners = new Set();
let waiting = false;

/** Hear from now on of whatever changes nodes, links and widgets. */
export function hearChanges() {
  // Undo, paste, and whatever else changes widgets without asking them.
  listen("graphChanged", changed);
  // Keys and menus that switch nodes off tell nobody, and Nodes 2.0 does not look whether they changed anything. What is
  // pasted with the mouse into a promoted text is heard by none of our nodes.
  for (const end of ["keyup", "pointerup", "input"]) window.addEventListener(end, changed, true);
}

/** Call `listener` once for many changes, after whatever may have changed a node, a link or a widget. */
export function onChange(listener) {
  listeners.add(listener);
}

/** Something has changed, or something that was learned shows on the nodes. */
export function changed() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    for (const listener of listeners) {
      try {
        listener();
      } catch (error) {
        // What one cannot show, such as a widget of others that cannot be read, takes no other along.
        console.error("Lumenfall", error);
      }
    }
  });
}
