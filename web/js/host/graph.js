// The nodes of the workflow that is open: which there are, how they are wired, what their widgets say.

import { change, changed } from "./changes.js";
import { graphCanvas, rootGraph } from "./frontend.js";

/** @typedef {import("@comfyorg/comfyui-frontend-types").ComfyApp["rootGraph"]} LGraph */
/** @typedef {NonNullable<ReturnType<LGraph["getNodeById"]>>} LGraphNode */
/** @typedef {NonNullable<LGraphNode["widgets"]>[number]} Widget */
/** @typedef {LGraphNode & {subgraph?: LGraph}} Node */

const BYPASSED = 4;
const SWITCHED_OFF = [2, BYPASSED]; // 2: muted
const SUBGRAPH_INPUT = -10; // the id of what a subgraph's own inputs come from
const PRIMITIVE = /^Primitive/; // the frontend's own, and the core nodes that say one value

/** The id of the workflow that is open. */
export function workflowId() {
  return rootGraph()?.id;
}

/**
 * Every node of the workflow, those in subgraphs included, with the id that it runs under: 5 or, in a subgraph, 3:5. In a
 * subgraph that is used several times it has several.
 *
 * @param {LGraph} [graph]
 * @returns {Generator<{node: Node, id: string}>}
 */
export function* places(graph = rootGraph(), outer = "") {
  for (const node of nodesOf(graph)) {
    const id = `${outer}${node.id}`;
    yield { node, id };
    yield* placesIn(node, id);
  }
}

/** The same of what a node holds, which runs under the id `outer`. */
export function* placesIn(node, outer) {
  if (node.subgraph) yield* places(node.subgraph, `${outer}:`);
}

/**
 * Those that are switched on, each with the subgraph nodes that lead to it, and the id that it runs under. One may run at
 * several places.
 *
 * @param {LGraph} [graph]
 * @param {Node[]} [path]
 * @returns {Generator<{node: Node, path: Node[], id: string}>}
 */
export function* activeNodes(graph = rootGraph(), path = []) {
  for (const node of nodesOf(graph)) {
    if (SWITCHED_OFF.includes(node.mode)) continue;
    yield { node, path, id: [...path, node].map((each) => each.id).join(":") };
    if (node.subgraph) yield* activeNodes(node.subgraph, [...path, node]);
  }
}

/** @returns {Node[]} */
function nodesOf(graph) {
  return graph?.nodes ?? [];
}

/** The node that runs under such an id. */
export function nodeAt(executionId) {
  let graph = rootGraph();
  /** @type {Node | null} */
  let node = null;
  for (const part of String(executionId).split(":")) {
    node = graph?.getNodeById(part) ?? graph?.getNodeById(Number(part)) ?? null;
    if (!node) return null;
    graph = node.subgraph ?? /** @type {any} */ (null);
  }
  return node;
}

/** The class of a node; undefined for what is none of the server's. */
export function classOf(node) {
  return /** @type {string | undefined} */ (node?.comfyClass);
}

export function titleOf(node) {
  return /** @type {string | undefined} */ (node?.title);
}

/** Whether the node has a widget of that name. */
export function hasWidget(node, name) {
  return Boolean(widgetOf(node, name));
}

/** @returns {Widget | undefined} */
export function widgetOf(node, name) {
  return node?.widgets?.find((widget) => widget.name === name);
}

/** Whether an input of that name can be seen. */
export function hasSocket(node, name) {
  return slotOf(node, name) >= 0;
}

/** @returns {number} */
export function slotOf(node, name) {
  return node?.inputs?.findIndex((input) => input.name === name) ?? -1;
}

/** The names of the node's inputs of a type. */
export function inputsOf(node, type) {
  return (node.inputs ?? []).filter((input) => input.type === type).map((input) => input.name);
}

export function isLinked(node, name) {
  const slot = slotOf(node, name);
  return slot >= 0 && Boolean(node.isInputConnected(slot));
}

/**
 * The node that an input comes from in the end, over reroutes and out of subgraphs; null where it comes from none that is
 * switched on, undefined where it differs from place to place.
 *
 * @param {Node} node
 * @param {string} name
 * @param {Node[]} [path]
 * @returns {Node | null | undefined}
 */
export function nodeBefore(node, name, path) {
  const link = linkOf(node, name);
  if (!link) return null;
  if (Number(link.origin_id) === SUBGRAPH_INPUT) {
    const { nodes, input, further } = outside(node, link, path);
    const origins = new Set(nodes.map((outer) => nodeBefore(outer, input, further)));
    return origins.size === 1 ? [...origins][0] : undefined;
  }
  const origin = node.graph?.getNodeById(link.origin_id) ?? null;
  if (origin?.type === "Reroute") return nodeBefore(origin, origin.inputs[0].name, path);
  const passed = origin?.mode === BYPASSED && passedOn(origin, link.origin_slot, typeOf(node, name));
  if (passed) return nodeBefore(origin, passed.name, path);
  return origin && SWITCHED_OFF.includes(origin.mode) ? null : origin;
}

/** @returns {{origin_id: any, origin_slot: number} | null} */
function linkOf(node, name) {
  const slot = slotOf(node, name);
  // A node that is on no graph has none; ComfyUI throws then.
  if (slot < 0 || !node.graph || !node.isInputConnected(slot)) return null;
  if (!node.subgraph) return node.getInputLink(slot);
  // That of a subgraph's node tells of a link inside of it, at an output.
  const isIt = (link) => String(link.target_id) === String(node.id) && link.target_slot === slot;
  return [...node.graph.links.values()].find(isIt) ?? null;
}

function typeOf(node, name) {
  return node.inputs[slotOf(node, name)].type;
}

/** The input that a bypassed node gives on at an output, to an input of that type, as ComfyUI takes it. */
function passedOn({ inputs }, slot, type) {
  const fits = (input) => input?.type === type;
  return fits(inputs?.[slot]) ? inputs[slot] : inputs?.find(fits);
}

/**
 * The subgraph nodes that a node lies in, the input of theirs that a link from outside is, and the path to them. What the
 * node at a path gets from outside lies nearer to its beginning.
 *
 * @returns {{nodes: Node[], input: string, further?: Node[]}}
 */
function outside(node, link, path) {
  const input = node.graph.inputs[link.origin_slot].name;
  const isHolder = (/** @type {Node} */ { subgraph }) => subgraph && subgraph === node.graph;
  const depth = path?.findIndex(isHolder) ?? -1;
  if (path && depth >= 0) return { nodes: [path[depth]], input, further: path.slice(0, depth) };
  return { nodes: [...new Set([...places()].map((place) => place.node).filter(isHolder))], input };
}

/** The nodes that the first output is wired to. */
export function nodesBehind(node) {
  return node.getOutputNodes?.(0) ?? [];
}

/**
 * What an input is in the end: its own widget or, over links and out of subgraphs, that which it comes from. `path` is
 * as `activeNodes` gives it; without it every place counts. Undefined where it is not known before a run, or differs.
 *
 * @param {Node} node
 * @param {string} name
 * @param {Node[]} [path]
 * @returns {any}
 */
export function valueOf(node, name, path) {
  const values = new Set(sourcesOf(node, name, path)?.map(({ widget }) => widget.value));
  return values.size === 1 ? [...values][0] : undefined;
}

/** Whether the value of an input is said by a widget, wherever that is. */
export function isSettable(node, name) {
  return sourcesOf(node, name) !== null;
}

/**
 * The widgets that say what an input is: more than one where the node lies in a subgraph that is used several times.
 * Null where only a run can tell.
 *
 * @param {Node} node
 * @param {string} name
 * @param {Node[]} [path]
 * @returns {{node: Node, widget: Widget}[] | null}
 */
export function sourcesOf(node, name, path) {
  const link = linkOf(node, name);
  if (!link) {
    const widget = widgetOf(node, name);
    return widget ? [{ node, widget }] : null;
  }
  if (Number(link.origin_id) === SUBGRAPH_INPUT) {
    const { nodes, input, further } = outside(node, link, path);
    const sources = nodes.map((outer) => sourcesOf(outer, input, further));
    return sources.length ? sources.reduce((all, some) => all && some && [...all, ...some], []) : null;
  }
  const origin = node.graph?.getNodeById(link.origin_id);
  const passed = origin?.mode === BYPASSED && passedOn(origin, link.origin_slot, typeOf(node, name));
  if (passed && isLinked(origin, passed.name)) return sourcesOf(origin, passed.name, path);
  if (!origin || SWITCHED_OFF.includes(origin.mode)) return null;
  if (origin.type === "Reroute") return sourcesOf(origin, origin.inputs[0].name, path);
  const said = PRIMITIVE.test(origin.type) && origin.widgets?.[0];
  return said ? sourcesOf(origin, said.name, path) : null;
}

/** Set an input as a person would, where its value comes from. A value that a menu does not have is added to it. */
export function setWidget(node, name, value) {
  const sources = (sourcesOf(node, name) ?? []).filter(({ widget }) => widget.value !== value);
  if (sources.length) change(() => sources.forEach((source) => write(source, value)));
}

function write({ node, widget }, value) {
  const { options } = widget;
  if (Array.isArray(options?.values) && !options.values.includes(value)) options.values = [...options.values, value];
  if (widget.setValue) {
    widget.setValue(value, { node, canvas: graphCanvas() });
  } else {
    widget.value = value;
    widget.callback?.(value, graphCanvas(), node);
  }
  node.graph?.setDirtyCanvas?.(true, true);
}

/** Let all nodes of this class offer a value in a menu, as they do after an upload of ComfyUI's own. */
export function offerValue(node, name, value) {
  const values = widgetOf(node, name)?.options?.values;
  if (Array.isArray(values) && !values.includes(value)) values.push(value);
}

/** Whether to read the graph does more than reading: a widget that takes a photo or uploads what it shows waits for it. */
export function actsWhenRead() {
  const acts = (/** @type {any} */ { serializeValue }) => serializeValue?.constructor?.name === "AsyncFunction";
  return [...activeNodes()].some(({ node }) => node.widgets?.some(acts));
}

/** Whether a text that is switched on holds {one|another}, of which ComfyUI takes one by chance at each run. */
export function hasChance() {
  const isChance = (/** @type {any} */ { dynamicPrompts, value }) => dynamicPrompts && offersChoice(value);
  return [...activeNodes()].some(({ node }) => node.widgets?.some(isChance));
}

function offersChoice(text) {
  return /\{[^}]*\|/.test(String(text)) && !isJson(text);
}

function isJson(text) {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/**
 * Let ComfyUI make something of the dynamic prompts of a node only where they offer a choice: of any other text it would
 * take the braces of JSON, and what follows the // of an address. nodes/graph/texts.py has the same rule.
 */
export function keepPlainTexts(node) {
  for (const widget of node.widgets ?? []) {
    const choose = widget.serializeValue;
    if (!widget.dynamicPrompts || !choose) continue;
    widget.serializeValue = (...args) => (offersChoice(widget.value) ? choose.apply(widget, args) : widget.value);
  }
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

export function widthOf(node) {
  return node.size[0];
}

/** How high a node must be for what it shows. */
export function neededHeight(node) {
  return node.computeSize()[1];
}

/** Make a node higher by so much, or lower. */
export function grow(node, height) {
  node.setSize?.([node.size[0], node.size[1] + height]);
}
