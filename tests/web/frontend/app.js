// What web/js uses of the frontend's app: a canvas, and the graph that a test puts here.

/** @type {any} */
export const app = {
  rootGraph: null,
  configuringGraph: false,
  canvas: { emitBeforeChange() {}, emitAfterChange() {}, canvas: document.createElement("canvas") },
  ui: { settings: new EventTarget() },
  extensionManager: {
    setting: { get: () => "en" },
    workflow: {},
    registerSidebarTab(tab) {
      app.tab = tab;
    },
  },
};
