// What web/js uses of the frontend's app: a canvas, and the graph that a test puts here.

export const app = {
  rootGraph: null,
  configuringGraph: false,
  canvas: { emitBeforeChange() {}, emitAfterChange() {} },
  extensionManager: { setting: { get: () => "en" }, workflow: {} },
};
