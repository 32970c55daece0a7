// A call of the history, back on the canvas: the node that asked with what led to it, or its pictures.

import { addNode, bringIntoView, link, middle, moveClear, moveTo, onDrop, selectNodes, sizeOf } from "./host/canvas.js";
import { change } from "./host/changes.js";
import { setWidget } from "./host/graph.js";
import { keepSeed } from "./host/states.js";
import { get, told } from "./server.js";
import { t } from "./text.js";
import { showToast } from "./toast.js";

export const DRAGGED = "application/x-lumenfall-call";

const GAP = 40;
const RECOVER = "LumenfallRecover";

/** Let calls be dropped on the canvas; `find` gives the call with an id. */
export function takeDrops(find) {
  onDrop(DRAGGED, (id, place) => {
    const call = find(id);
    if (call) placeCall(call, place);
  });
}

/**
 * Put the node that asked on the canvas, with its inputs; where it was not kept, one that recovers the pictures. Without a
 * place it stands where there is room.
 */
export async function placeCall(call, place) {
  if (!call.has_graph) return recoverCall(call, place);
  try {
    const { graph, node } = await get(`/calls/${call.id}/graph`);
    show(change(() => cleared(build(graph, node, place ?? middle()), place)));
  } catch (error) {
    showToast({ kind: "error", title: t("sidebar.notPlaced"), text: told(error) });
  }
}

/** Put a Recover Images node for the call on the canvas. */
export function recoverCall(call, place) {
  const nodes = change(() => {
    const added = addNode(RECOVER);
    moveTo(added, place ?? middle());
    setWidget(added, "request_id", call.request_id ?? call.id);
    return cleared([added], place);
  });
  show(nodes);
}

function cleared(nodes, place) {
  if (!place && nodes.length) moveClear(nodes);
  return nodes;
}

function show(nodes) {
  selectNodes(nodes);
  if (nodes.length) bringIntoView(nodes.at(-1));
}

function build(graph, last, [x, y]) {
  const made = new Map();
  const unknown = [];
  for (const [id, { class_type: className, _meta: about }] of Object.entries(graph)) {
    const node = addNode(className, about?.title);
    if (node) made.set(id, node);
    else unknown.push(className);
  }
  for (const [id, node] of made) fill(node, askedBy(graph, id), made);
  layOut(graph, made, last, x, y);
  if (unknown.length)
    showToast({
      kind: "warning",
      title: t("sidebar.unknownNodes"),
      text: [...new Set(unknown)].join(", "),
      seconds: 12,
    });
  return [...made.values()];
}

function fill(node, inputs, made) {
  for (const [name, value] of Object.entries(inputs)) {
    const source = isLink(value) ? made.get(String(value[0])) : null;
    if (source) link(source, value[1], node, name);
    else if (!isLink(value)) setWidget(node, name, value);
  }
  // Run as it is, it is answered from the store.
  keepSeed(node);
}

function askedBy(graph, id) {
  const { inputs = {} } = graph[id];
  return inputs;
}

function isLink(value) {
  return Array.isArray(value) && value.length === 2 && typeof value[1] === "number";
}

/** In columns: what a node needs stands left of it. */
function layOut(graph, made, last, x, y) {
  const columns = new Map();
  const depths = new Map();
  const walk = (id, depth) => {
    if (!made.has(id) || (depths.get(id) ?? -1) >= depth || depth > made.size) return;
    depths.set(id, depth);
    for (const value of Object.values(askedBy(graph, id))) if (isLink(value)) walk(String(value[0]), depth + 1);
  };
  walk(last, 0);
  for (const [id, depth] of depths) columns.set(depth, [...(columns.get(depth) ?? []), made.get(id)]);
  let right = x;
  for (const depth of [...columns.keys()].sort((a, b) => a - b)) {
    const nodes = columns.get(depth);
    const width = Math.max(...nodes.map((node) => sizeOf(node)[0]));
    const left = depth === 0 ? x : right - width - GAP;
    let top = y;
    for (const node of nodes) {
      moveTo(node, [left, top]);
      top += sizeOf(node)[1] + GAP;
    }
    right = left;
  }
}
