// What lies where on the canvas: new nodes, what is selected, what is dropped.

import { createNode, graphCanvas, runCommand, shownGraph } from "./frontend.js";
import { addSocket, hasSocket, hasWidget, nodeBefore } from "./graph.js";

/** Put a new node on the graph that is looked at; null where ComfyUI does not know the class. */
export function addNode(className, title) {
  const node = createNode(className);
  if (!node) return null;
  if (title) node.title = title;
  shownGraph().add(node);
  return node;
}

/** Wire output number `output` of one node to an input of another; a socket that appears as it is used may be made. */
export function link(source, output, target, name) {
  if (!hasSocket(target, name)) addSocket(target, name, source.outputs[output].type);
  source.connect(
    output,
    target,
    target.inputs.findIndex((input) => input.name === name),
  );
}

/** Put a node elsewhere on the graph. */
export function moveTo(node, place) {
  node.pos = [...place];
}

/** Width and height of a node on the graph. */
export function sizeOf(node) {
  return node.size;
}

/** What is selected. */
export function selectedNodes() {
  return [...graphCanvas().selectedItems];
}

/** Make these the selected nodes. */
export function selectNodes(nodes) {
  graphCanvas().selectItems(nodes);
  graphCanvas().setDirty(true, true);
}

/** The node on whose picture the mask of `node` is painted; undefined where none is seen, or it comes from elsewhere. */
export function maskPainting(node) {
  const first = node && (nodeBefore(node, "mask") ?? nodeBefore(node, "image"));
  const nodes = new Set(first ? [first] : []);
  for (const each of nodes) {
    const isPainting = hasWidget(each, "image") && (each.imgs?.length || each.previewMediaType === "image");
    if (isPainting && each.graph === shownGraph()) return each;
    for (const { name } of each.inputs ?? []) {
      const before = nodeBefore(each, name);
      if (before) nodes.add(before);
    }
  }
  return undefined;
}

/** Open the mask editor on the picture of a node. */
export function paintMask(node) {
  selectNodes([node]);
  return runCommand("Comfy.MaskEditor.OpenMaskEditor");
}

/**
 * Where on the graph the middle of what is seen is.
 *
 * @returns {[number, number]}
 */
export function middle() {
  const box = graphCanvas().canvas.getBoundingClientRect();
  return placeOf({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 3 });
}

/** @returns {[number, number]} */
function placeOf({ clientX, clientY }) {
  const box = graphCanvas().canvas.getBoundingClientRect();
  const { scale, offset } = graphCanvas().ds;
  return [(clientX - box.left) / scale - offset[0], (clientY - box.top) / scale - offset[1]];
}

/** Call `listener` with what was dragged, of a type of ours, and the place on the graph that it is dropped on. */
export function onDrop(type, listener) {
  // Above the canvas lie the nodes of Nodes 2.0. ComfyUI's own handler sits on the document, and would take the drop
  // for a file.
  const surface = graphCanvas().canvas.closest("#graph-canvas-container") ?? graphCanvas().canvas.parentElement;
  if (!surface) return;
  const isOurs = (/** @type {DragEvent} */ { dataTransfer }) => dataTransfer?.types.includes(type);
  surface.addEventListener("dragover", (/** @type {any} */ event) => isOurs(event) && event.preventDefault(), true);
  surface.addEventListener(
    "drop",
    (/** @type {any} */ event) => {
      if (!isOurs(event)) return;
      event.preventDefault();
      event.stopPropagation();
      listener(event.dataTransfer.getData(type), placeOf(event));
    },
    true,
  );
}
