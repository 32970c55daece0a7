// What nodes say, with those before them: whether that is still what it was, and what of it becomes something else by itself
// from run to run.

import { activeNodes, classOf, nodeBefore, sourcesOf, titleOf, valueOf, widgetOf } from "./graph.js";

/** @typedef {import("./graph.js").Node} Node */
/** @typedef {import("./graph.js").Widget} Widget */

const CHANGING = /seed$|^control_after_generate$/; // with each run, where the user wants it
const CONTROL = "control_after_generate";
const CHANGES = ["increment", "increment-wrap", "decrement", "randomize"];

/**
 * All that a node and those before it say, and what is wired to it: it reads the same as long as nothing of that is
 * changed.
 */
export function stateOf(node, path) {
  const own = saved(node).map(({ name }) => valueOf(node, name, path));
  return textOf([own, (node.inputs ?? []).map(({ link }) => link ?? null), said(node, () => true, path)]);
}

/** What a node is and says itself, wherever it stands. */
export function nature(node) {
  const own = saved(node).filter(({ name }) => isAsked(name)).map(({ name, value }) => [name, value]);
  return textOf([classOf(node), titleOf(node), own]);
}

function textOf(said) {
  try {
    return JSON.stringify(said);
  } catch {
    return ""; // Some widget of others holds what no text can say.
  }
}

/** What a run would ask of the node: all that it and the nodes before it say, but for what ComfyUI changes by itself. */
export function askedOf(node) {
  return textOf(said(node, isAsked));
}

function isAsked(name) {
  return !CHANGING.test(name);
}

/** What a run would ask of the node at a place, but for what changes by itself from run to run. */
export function settledOf(node, path) {
  return textOf(said(node, (name, owner) => !changesByItself(owner, name, path), path));
}

/**
 * What the widgets of a node and of those before it say, of those with a name that `counts`.
 *
 * @param {Node} node
 * @param {(name: string, owner: Node) => boolean} counts
 * @param {Node[]} [path]
 */
function said(node, counts, path) {
  const words = [];
  for (const [each, before] of leading(node, path)) {
    for (const { name, options } of saved(each)) {
      if (options?.serialize === false || !counts(name, each)) continue;
      words.push(name, valueOf(each, name, path));
    }
    words.push(...before);
  }
  return words;
}

/**
 * A node and all those before it, each with the names of its inputs and the ids of the nodes that these come from.
 *
 * @param {Node} node
 * @param {Node[]} [path]
 * @returns {Generator<[Node, any[]]>}
 */
function* leading(node, path) {
  const nodes = new Set([node]);
  for (const each of nodes) {
    const before = [];
    for (const { name } of each.inputs ?? []) {
      const origin = nodeBefore(each, name, path);
      if (!origin) continue;
      before.push(name, origin.id);
      nodes.add(origin);
      // What a subgraph gives out comes from some of these.
      if (origin.subgraph) for (const inner of activeNodes(origin.subgraph)) nodes.add(inner.node);
    }
    yield [each, before];
  }
}

/** The widgets of a node that are saved: not those that only show what came of it, which come and go. */
function saved(node) {
  return (node.widgets ?? []).filter(({ serialize }) => serialize !== false);
}

/** Let the seed of a node stay as it is after a run. */
export function keepSeed(node) {
  const control = controlOf(node, widgetOf(node, "seed"));
  if (control) control.value = "fixed";
}

/** What is set beside a widget: what it becomes after a run. Not every frontend says which widget it is for. */
function controlOf(node, /** @type {Widget | undefined} */ widget) {
  const at = node.widgets?.findIndex(({ name }) => name === widget?.name) ?? -1;
  const next = at < 0 ? undefined : node.widgets?.[at + 1];
  return widget?.linkedWidgets?.[0] ?? (next?.name === CONTROL ? next : undefined);
}

/**
 * Whether an input becomes another one from run to run, by what is set beside the widget that says it.
 *
 * @param {Node} node
 * @param {string} name
 * @param {Node[]} [path]
 */
export function changesByItself(node, name, path) {
  const sources = sourcesOf(node, name, path) ?? [];
  // What is promoted goes by what is set inside.
  const own = widgetOf(node, name);
  if (own && sources.some((source) => source.node.subgraph)) sources.push({ node, widget: own });
  return sources.some((source) => CHANGES.includes(/** @type {any} */ (controlOf(source.node, source.widget)?.value)));
}

/** The names of the inputs of a node that become others from run to run. */
export function changingOf(node, path) {
  return saved(node)
    .map(({ name }) => name)
    .filter((name) => changesByItself(node, name, path));
}

/** Whether anything that a node is made from becomes something else from run to run. */
export function changesWithRuns(node, path) {
  return [...leading(node, path)].some(([each]) => changingOf(each, path).length > 0);
}
