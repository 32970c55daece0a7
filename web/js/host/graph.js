// The nodes of the workflow that is open: which there are, how they are wired, what their widgets say.

import { change, changed } from "./changes.js";
import { graphCanvas, rootGraph } from "./frontend.js";

const SWITCHED_OFF = [2, 4]; // muted, bypassed

/** The id of the workflow that is open. */
export function workflowId() {
  return rootGraph()?.id;
}

/** Every node of the workflow, those in subgraphs included. */
export function* allNodes(graph = rootGraph()) {
  for (const node of graph?.nodes ?? []) {
    yield node;
    if (node.subgraph) yield* allNodes(node.subgraph);
  }
}

/** Those that would run, each with the subgraph nodes that lead to it: {node, path}. One may run at several places. */
export function* activeNodes(graph = rootGraph(), path = []) {
  for (const node of graph?.nodes ?? []) {
    if (SWITCHED_OFF.includes(node.mode)) continue;
    yield { node, path };
    if (node.subgraph) yield* activeNodes(node.subgraph, [...path, node]);
  }
}

/** The node that runs under an id such as 5 or, inside of a subgraph, 3:5. */
export function nodeAt(executionId) {
  let graph = rootGraph();
  let node = null;
  for (const part of String(executionId).split(":")) {
    node = graph?.getNodeById?.(part) ?? graph?.getNodeById?.(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

/** The class of a node; undefined for what is none of the server's. */
export function classOf(node) {
  return node?.comfyClass;
}

export function titleOf(node) {
  return node?.title;
}

/** Whether the node has a widget of that name. */
export function hasWidget(node, name) {
  return Boolean(widgetOf(node, name));
}

function widgetOf(node, name) {
  return node?.widgets?.find((widget) => widget.name === name);
}

/** Whether an input of that name can be seen. */
export function hasSocket(node, name) {
  return slotOf(node, name) >= 0;
}

function slotOf(node, name) {
  return node?.inputs?.findIndex((input) => input.name === name) ?? -1;
}

/** The names of the node's inputs of a type. */
export function inputsOf(node, type) {
  return (node.inputs ?? []).filter((input) => input.type === type).map((input) => input.name);
}

export function isLinked(node, name) {
  const slot = slotOf(node, name);
  return slot >= 0 && node.isInputConnected(slot);
}

/** The node that an input is wired to, or null. */
export function nodeBefore(node, name) {
  const slot = slotOf(node, name);
  return slot < 0 ? null : (node.getInputNode?.(slot) ?? null);
}

/** The nodes that the first output is wired to. */
export function nodesBehind(node) {
  return node.getOutputNodes?.(0) ?? [];
}

/** What a widget says; undefined where it is not known before a run. */
export function valueOf(node, name) {
  return isLinked(node, name) ? undefined : widgetOf(node, name)?.value;
}

/** Set a widget as a person would. A value that a menu does not have is added to it. */
export function setWidget(node, name, value) {
  const widget = widgetOf(node, name);
  if (!widget || widget.value === value) return;
  change(() => {
    const { options } = widget;
    if (Array.isArray(options?.values) && !options.values.includes(value)) options.values = [...options.values, value];
    if (widget.setValue) {
      widget.setValue(value, { node, canvas: graphCanvas() });
    } else {
      widget.value = value;
      widget.callback?.(value, graphCanvas(), node);
    }
  });
  node.graph?.setDirtyCanvas?.(true, true);
}

/** Let the seed of a node stay as it is after a run. */
export function keepSeed(node) {
  const control = widgetOf(node, "control_after_generate") ?? widgetOf(node, "seed")?.linkedWidgets?.[0];
  if (control) control.value = "fixed";
}

/** Tell of all that changes the inputs of a node from now on. */
export function watchInputs(node) {
  wrap(node, "onConnectionsChange", changed);
  for (const widget of node.widgets ?? []) wrap(widget, "callback", changed);
}

/** Call `listener` when the node is added or linked, and `opened` when the workflow that it came with is there. */
export function watchSockets(node, listener, opened) {
  wrap(node, "onAdded", listener);
  wrap(node, "onConnectionsChange", listener);
  wrap(node, "onAfterGraphConfigured", opened);
}

function wrap(owner, name, after) {
  const before = owner[name];
  owner[name] = function (...args) {
    const answer = before?.apply(this, args);
    after();
    return answer;
  };
}

export function addSocket(node, name, type) {
  node.addInput(name, type, { shape: 7 });
}

export function removeSocket(node, name) {
  node.removeInput(slotOf(node, name));
}

/** Make a node as high as what it holds. */
export function fitHeight(node) {
  node.setSize?.([node.size[0], node.computeSize()[1]]);
}
