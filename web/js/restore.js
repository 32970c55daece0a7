// A call of the history, back on the canvas: the node that asked with what led to it, or its pictures.

import { app } from "../../../scripts/app.js";
import { change, shownGraph } from "./host.js";
import { setWidget, widgetOf } from "./nodes.js";
import { get } from "./server.js";
import { t } from "./text.js";
import { showToast } from "./toast.js";

export const DRAGGED = "application/x-lumenfall-call";

const GAP = 40;
const RECOVER = "LumenfallRecover";

/** Let calls be dropped on the canvas; `find` gives the call with an id. */
export function takeDrops(find) {
  // Above the canvas lie the nodes of Nodes 2.0. ComfyUI's own handler sits on the document, and would take the drop
  // for a file.
  const surface = app.canvas.canvas.closest("#graph-canvas-container") ?? app.canvas.canvas.parentElement;
  const isOurs = (event) => event.dataTransfer?.types.includes(DRAGGED);
  surface.addEventListener("dragover", (event) => isOurs(event) && event.preventDefault(), true);
  surface.addEventListener(
    "drop",
    (event) => {
      if (!isOurs(event)) return;
      event.preventDefault();
      event.stopPropagation();
      const call = find(event.dataTransfer.getData(DRAGGED));
      if (call) placeCall(call, placeOf(event));
    },
    true,
  );
}

/** Where on the graph the pointer is. */
function placeOf(event) {
  const box = app.canvas.canvas.getBoundingClientRect();
  const { scale, offset } = app.canvas.ds;
  return [(event.clientX - box.left) / scale - offset[0], (event.clientY - box.top) / scale - offset[1]];
}

/** The middle of what is seen of the graph. */
function middle() {
  const box = app.canvas.canvas.getBoundingClientRect();
  return placeOf({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 3 });
}

/** Put the node that asked on the canvas, with its inputs; where it was not kept, one that recovers the pictures. */
export async function placeCall(call, place = middle()) {
  if (!call.has_graph) return recoverCall(call, place);
  try {
    const { graph, node } = await get(`/calls/${call.id}/graph`);
    select(change(() => build(graph, node, place)));
  } catch (error) {
    showToast({ kind: "error", title: t("sidebar.notPlaced"), text: error.message });
  }
}

/** Put a Recover Images node for the call on the canvas. */
export function recoverCall(call, place = middle()) {
  const node = window.LiteGraph.createNode(RECOVER);
  node.pos = [...place];
  change(() => {
    shownGraph().add(node);
    setWidget(node, "request_id", call.request_id ?? call.id);
  });
  select([node]);
}

function build(graph, last, [x, y]) {
  const made = new Map();
  const unknown = [];
  for (const [id, described] of Object.entries(graph)) {
    const node = window.LiteGraph.registered_node_types[described.class_type]
      ? window.LiteGraph.createNode(described.class_type)
      : null;
    if (!node) {
      unknown.push(described.class_type);
      continue;
    }
    if (described._meta?.title) node.title = described._meta.title;
    shownGraph().add(node);
    made.set(id, node);
  }
  for (const [id, node] of made) fill(node, graph[id].inputs ?? {}, made);
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
    if (source) {
      const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
      // A socket that appears as it is used may not be there yet.
      if (slot >= 0) source.connect(value[1], node, slot);
      else
        source.connect(
          value[1],
          node,
          node.inputs.indexOf(node.addInput(name, source.outputs[value[1]].type, { shape: 7 })),
        );
    } else if (!isLink(value)) {
      setWidget(node, name, value);
    }
  }
  // Run as it is, it is answered from the store.
  const control = widgetOf(node, "control_after_generate") ?? widgetOf(node, "seed")?.linkedWidgets?.[0];
  if (control) control.value = "fixed";
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
    for (const value of Object.values(graph[id].inputs ?? {})) if (isLink(value)) walk(String(value[0]), depth + 1);
  };
  walk(last, 0);
  for (const [id, depth] of depths) columns.set(depth, [...(columns.get(depth) ?? []), made.get(id)]);
  let right = x;
  for (const depth of [...columns.keys()].sort((a, b) => a - b)) {
    const nodes = columns.get(depth);
    const width = Math.max(...nodes.map((node) => node.size[0]));
    const left = depth === 0 ? x : right - width - GAP;
    let top = y;
    for (const node of nodes) {
      node.pos = [left, top];
      top += node.size[1] + GAP;
    }
    right = left;
  }
}

function select(nodes) {
  app.canvas.deselectAll?.();
  for (const node of nodes) app.canvas.selectItem?.(node, true);
  app.canvas.setDirty(true, true);
}
