// Graphs in API format, as they are queued.

import { isOutput } from "./frontend.js";

/**
 * What of a graph would run: what leads to an output, or to one of those with the ids `targets`.
 *
 * @param {Record<string, any>} prompt
 * @param {string[]} [targets]
 */
export function runningPart(prompt, targets) {
  // What this page does not know may be an output.
  const outputs = Object.keys(prompt).filter((id) => isOutput(prompt[id].class_type) !== false);
  // Where outputs cannot be told from others, all are counted.
  if (Object.values(prompt).every((node) => isOutput(node.class_type) === undefined)) return prompt;
  const wanted = targets?.length ? outputs.filter((id) => targets.map(String).includes(id)) : outputs;
  return leadingTo(prompt, wanted);
}

/** What of a graph leads to the nodes with these ids, and these. */
export function leadingTo(prompt, ids) {
  const needed = new Set();
  const waiting = [...ids];
  while (waiting.length) {
    const id = /** @type {string} */ (waiting.pop());
    if (needed.has(id) || !prompt[id]) continue;
    needed.add(id);
    for (const value of Object.values(prompt[id].inputs ?? {})) if (isLink(value)) waiting.push(String(value[0]));
  }
  return Object.fromEntries(Object.entries(prompt).filter(([id]) => needed.has(id)));
}

function isLink(value) {
  return Array.isArray(value) && value.length === 2 && Number.isInteger(value[1]);
}

const AGAIN = "again/";

/** The id of the same node in the next run. */
export function nextId(id) {
  return AGAIN + id;
}

export function isAgain(id) {
  return id.startsWith(AGAIN);
}

/** The graph of the next run, under other ids: the nodes with the ids `changing` make something else then, as with another seed. */
export function again(prompt, changing) {
  const copy = {};
  for (const [id, node] of Object.entries(prompt)) {
    const inputs = Object.entries(node.inputs ?? {}).map(([name, value]) => {
      return [name, isLink(value) ? [AGAIN + value[0], value[1]] : value];
    });
    const seed = changing.has(id) ? { seed: otherThan(node.inputs?.seed) } : {};
    copy[AGAIN + id] = { ...node, inputs: { ...Object.fromEntries(inputs), ...seed } };
  }
  return copy;
}

function otherThan(seed) {
  const other = Math.floor(Math.random() * 2 ** 31);
  return other === seed ? other + 1 : other;
}
