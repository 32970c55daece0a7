// What web/js uses of the frontend's app: a canvas, and the graph that a test puts here.

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
