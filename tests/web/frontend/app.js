// What web/js uses of the frontend's app: a canvas, and the graph and the prompt that a test puts here.

import { api } from "./api.js";

const selection = {
  selectedItems: new Set(),
  selectItems(items) {
    app.canvas.selectedItems = new Set(items);
  },
  setDirty() {},
};

/** @type {any} */
export const app = {
  rootGraph: null,
  configuringGraph: false,
  bodyBottom: document.body.appendChild(document.createElement("div")),
  canvas: { emitBeforeChange() {}, emitAfterChange() {}, canvas: document.createElement("canvas"), ...selection },
  ui: { settings: new EventTarget() },
  prompt: {},
  graphToPrompt: async () => ({ output: app.prompt, workflow: {} }),
  async queuePrompt(number, count) {
    for (let run = 0; run < count; run += 1) await api.queuePrompt(number, await app.graphToPrompt());
    return true;
  },
  extensionManager: {
    setting: { get: () => "en" },
    workflow: {},
    command: {
      execute(id) {
        app.ran = [id, [...app.canvas.selectedItems]];
      },
    },
    registerSidebarTab(tab) {
      app.tab = tab;
    },
  },
};
