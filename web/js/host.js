// What is asked of ComfyUI: the runs in its queue.

import { api } from "../../../scripts/api.js";

/** Call `listener` with the id of each prompt that this page has queued, and `ended` after the last of one command. */
export function onQueued(listener, ended) {
  // No event tells the id before the prompt runs.
  const { queuePrompt } = api;
  api.queuePrompt = async function (...args) {
    const answer = await queuePrompt.apply(this, args);
    if (answer?.prompt_id) listener(answer.prompt_id);
    return answer;
  };
  api.addEventListener("promptQueued", ended);
}

/** The prompts that run now: what was sent with each, by its id. */
export async function running() {
  const queue = await (await api.fetchApi("/queue", { cache: "no-store" })).json();
  return new Map(queue.queue_running.map(([, id, , extra]) => [id, extra]));
}

/** Take prompts out of the queue, and stop the one that runs, if it is one of them. Never another. Throws Error. */
export async function stopRuns(promptIds) {
  // The waiting ones first: else the next starts as soon as the running one has ended.
  await send("/queue", { delete: promptIds });
  const now = await running();
  // Without an id, and with one on a host that knows none, an interrupt stops whatever runs.
  for (const id of promptIds.filter((one) => now.has(one))) await send("/interrupt", { prompt_id: id });
}

async function send(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await api.fetchApi(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
}
