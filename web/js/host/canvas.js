// What lies where on the canvas: new nodes, what is selected, what is dropped.

import { createNode, graphCanvas, hasCommand, runCommand, shownGraph } from "./frontend.js";
import { hasSocket, hasWidget, nodeBefore } from "./graph.js";
import { addSocket } from "./slots.js";

const GAP = 40;
const TITLE = 30; // above what counts as the node's place
const PATIENCE = 5000; // milliseconds

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

const MASK_EDITOR = "Comfy.MaskEditor.OpenMaskEditor";

/** Whether there is a mask editor that can be opened. */
export function hasMaskEditor() {
  return hasCommand(MASK_EDITOR);
}

/** Open the mask editor on the picture of a node. */
export function paintMask(node) {
  selectNodes([node]);
  return runCommand(MASK_EDITOR);
}

/** Wait until a node shows its picture, and is as high as that takes; for a while. */
export async function pictureSeen(node) {
  const until = Date.now() + PATIENCE;
  const frame = () => new Promise(requestAnimationFrame);
  while (!node.imgs?.[0]?.complete && Date.now() < until) await frame();
  await frame();
  await frame();
}

/**
 * Where a node of some size has room on the right of another one, or below that.
 *
 * @returns {[number, number]}
 */
export function placeBeside(node, [width, height]) {
  const box = { x: node.pos[0] + node.size[0] + GAP, y: node.pos[1], width, height };
  return [box.x, clearTop(box, node.graph.nodes)];
}

/** Move nodes down together, as far as it takes for them to cover no other node. */
export function moveClear(nodes) {
  const boxes = nodes.map(boxOf);
  const [x, y] = [Math.min(...boxes.map((box) => box.x)), Math.min(...boxes.map((box) => box.y))];
  const width = Math.max(...boxes.map((box) => box.x + box.width)) - x;
  const height = Math.max(...boxes.map((box) => box.y + box.height)) - y;
  const others = shownGraph().nodes.filter((node) => !nodes.includes(node));
  const by = clearTop({ x, y, width, height }, others) - y;
  for (const node of nodes) moveTo(node, [node.pos[0], node.pos[1] + by]);
}

function boxOf({ pos, size }) {
  return { x: pos[0], y: pos[1], width: size[0], height: size[1] };
}

/** Where a box has its top that is moved down until it covers no node. */
function clearTop({ x, y, width, height }, nodes) {
  const others = nodes.map(boxOf);
  const isOver = (other) =>
    x < other.x + other.width && other.x < x + width && y - TITLE < other.y + other.height && other.y - TITLE < y + height;
  for (let over = others.find(isOver); over; over = others.find(isOver)) y = over.y + over.height + TITLE + GAP;
  return y;
}

/** Let a node be seen, wherever on the graph it is. */
export function bringIntoView(node) {
  const { canvas, ds } = graphCanvas();
  const box = canvas.getBoundingClientRect();
  const [x, y] = [0, 1].map((axis) => (node.pos[axis] + node.size[axis] / 2 + ds.offset[axis]) * ds.scale);
  if (x < 0 || y < 0 || x > box.width || y > box.height) graphCanvas().centerOnNode(node);
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
