// What web/js uses of the frontend's app: a canvas, and the graph and the prompt that a test puts here.

import { api } from "./api.js";

export const app = {
  rootGraph: null,
  configuringGraph: false,
  canvas: { emitBeforeChange() {}, emitAfterChange() {} },
  prompt: {},
  graphToPrompt: async () => ({ output: app.prompt, workflow: {} }),
  async queuePrompt(number, count) {
    for (let run = 0; run < count; run += 1) await api.queuePrompt(number, await app.graphToPrompt());
    return true;
  },
  extensionManager: { setting: { get: () => "en" }, workflow: {} },
};
