// The runs in ComfyUI's queue.

import { fetchRoute, queue } from "./frontend.js";

/** The prompts that run now: what was sent with each, by its id. */
async function running() {
  const { queue_running: runs } = await read("/queue");
  return new Map(runs.map(([, id, , extra]) => [id, extra]));
}

/** Take prompts out of the queue, and stop the one that runs, if it is one of them. Never another. Throws Error. */
export async function stopRuns(promptIds) {
  // The waiting ones first: else the next starts as soon as the running one has ended.
  await send("/queue", { delete: promptIds });
  const now = await running();
  // Without an id, and with one on a host that knows none, an interrupt stops whatever runs.
  for (const id of promptIds.filter((one) => now.has(one))) await send("/interrupt", { prompt_id: id });
}

/** Queue the graph of a prompt once more, as it was when that prompt was queued. Throws Error. */
export async function queueAgain(promptId) {
  const queued = await sent(promptId);
  if (!queued) throw new Error(`/history: ${promptId}`);
  const [, , output, extra] = queued;
  await queue({ output, workflow: extra?.extra_pnginfo?.workflow });
}

/** What was sent with a prompt that runs or has run. */
async function sent(promptId) {
  const past = await ended(promptId);
  if (past) return past.prompt;
  return (await read("/queue")).queue_running.find(([, id]) => id === promptId);
}

/** What ComfyUI's history has of a prompt that has run; undefined where it has nothing of it. */
async function ended(promptId) {
  return (await read(`/history/${promptId}`))[promptId];
}

/**
 * What became of a prompt: what each node put out, and the events of the prompt as a whole, as [name, detail]. Null where it
 * has not ended yet. Throws Error.
 *
 * @returns {Promise<{reports: Record<string, any>, events: [string, any][]} | null>}
 */
export async function outcomeOf(promptId) {
  const past = await ended(promptId);
  if (!past) {
    const { queue_running: now, queue_pending: later } = await read("/queue");
    if ([...now, ...later].some(([, id]) => id === promptId)) return null;
  }
  return { reports: past?.outputs ?? {}, events: past?.status?.messages ?? [] };
}

async function read(route) {
  return (await fetchRoute(route, { cache: "no-store" })).json();
}

async function send(route, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetchRoute(route, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${route}: ${answer.status} ${answer.statusText}`);
}
