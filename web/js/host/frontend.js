// The one file that touches what ComfyUI's frontend is: its app and api, what they hold, and its menus. The others of this
// folder know its nodes and graphs, which they get here; everything else asks this folder, and takes a node for something
// to hand back.

import { app } from "../../../../scripts/app.js";
import { api } from "../../../../scripts/api.js";

/**
 * Register the extension, as `app.registerExtension` takes it.
 *
 * @param {import("@comfyorg/comfyui-frontend-types").ComfyExtension} extension
 */
export function registerExtension(extension) {
  app.registerExtension(extension);
}

/**
 * Call `listener` with what comes with each such event, of ComfyUI or of our nodes. Returns what ends that.
 *
 * @param {string} event
 * @param {(detail: any) => unknown} listener
 */
export function listen(event, listener) {
  const target = /** @type {EventTarget} */ (/** @type {unknown} */ (api));
  const heard = (/** @type {any} */ { detail }) => void listener(detail);
  target.addEventListener(event, heard);
  return () => target.removeEventListener(event, heard);
}

/**
 * Fetch a route of the host; it counts from the API's root.
 *
 * @param {string} route
 * @param {RequestInit} [options]
 */
export function fetchRoute(route, options) {
  return api.fetchApi(route, options);
}

/** The language of the page, such as "en". */
export function locale() {
  const chosen = /** @type {string | undefined} */ (app.extensionManager?.setting?.get("Comfy.Locale"));
  return chosen || navigator.language?.split("-")[0] || "en";
}

/**
 * Call `listener` with the language when another is chosen.
 *
 * @param {(language: string) => void} listener
 */
export function onLocale(listener) {
  const chosen = /** @type {EventTarget | undefined} */ (/** @type {unknown} */ (app.ui?.settings));
  // It tells before the setting is kept.
  chosen?.addEventListener?.("Comfy.Locale.change", (/** @type {any} */ { detail }) =>
    listener(detail?.value || locale()),
  );
}

/**
 * Add a tab to the sidebar, as `registerSidebarTab` takes it.
 *
 * @param {import("@comfyorg/comfyui-frontend-types").SidebarTabExtension} tab
 */
export function addSidebarTab(tab) {
  app.extensionManager.registerSidebarTab(tab);
}

/** @type {HTMLElement | undefined} */
let layer;

/**
 * Put an element of ours on the page itself, on no node: a dialog, cards, style sheets. The frontend gives extensions
 * places around its canvas for that, which stay whatever is shown; the document is its own, and other extensions'.
 */
export function placeOnPage(element) {
  if (!layer) {
    layer = document.createElement("div");
    layer.className = "lumenfall-layer";
    app.bodyBottom.append(layer);
  }
  layer.append(element);
}

/** Put an element beside Run. The newer place, `actionBarButtons`, shows no text that changes. */
export function placeBesideRun(element) {
  app.menu?.settingsGroup?.element?.before(element);
}

/** Run a command of the frontend, by its id. */
export function runCommand(id) {
  return app.extensionManager.command.execute(id);
}

/** Whether the frontend has a command, by its id. */
export function hasCommand(id) {
  return Boolean(app.extensionManager.command.commands?.some((command) => command.id === id));
}

/**
 * Keep an element above the Run of App mode, wherever one is shown, and call `placed` then: apps have no place for
 * extensions.
 */
export function placeInApps(element, placed) {
  const canvas = document.getElementById("graph-canvas-container");
  const page = canvas?.parentElement;
  if (!page) return;
  const place = () => {
    const run = page.querySelector(':scope > :not(#graph-canvas-container) [data-testid="linear-run-button"]');
    if (!run || run.contains(element)) return;
    run.prepend(element);
    placed();
  };
  // Not the canvas itself, which changes all the time.
  const inside = new MutationObserver(place);
  const around = new MutationObserver(() => {
    inside.disconnect();
    for (const child of page.children) if (child !== canvas) inside.observe(child, { childList: true, subtree: true });
    place();
  });
  around.observe(page, { childList: true });
}

/** The graph of the workflow that is open. */
export function rootGraph() {
  return app.rootGraph ?? app.graph;
}

/** The graph that is looked at: a subgraph, where one is open. */
export function shownGraph() {
  return app.canvas.graph ?? rootGraph();
}

/** What shows the graph. */
export function graphCanvas() {
  return app.canvas;
}

/**
 * The workflow that is open: its tab.
 *
 * @returns {{path: string, activeState?: {id?: string} | null, changeTracker?: {changeCount: number}} | undefined}
 */
export function openWorkflow() {
  const { workflow } = /** @type {any} */ (app.extensionManager);
  return workflow?.activeWorkflow;
}

/** Whether a tab shows the workflow with that path. */
export function isOpen(path) {
  const { workflow } = /** @type {any} */ (app.extensionManager);
  return Boolean(workflow?.openWorkflows?.some((tab) => tab.path === path));
}

/** Whether a workflow is being opened, or brought back by undo: its nodes are there, but not yet what they will be. */
export function isLoading() {
  return Boolean(app.configuringGraph);
}

/** @type {Promise<void> | null} */
let opening = null;

/**
 * Hear from now on when a file in API format is opened, which no hook or event tells: its nodes come one by one, with
 * their links, while the tab is still that of the workflow before it.
 */
export function watchOpening() {
  const host = /** @type {any} */ (app);
  const { loadApiJson: open } = host;
  if (!open) return;
  host.loadApiJson = async function (...args) {
    /** @type {(value?: any) => void} */
    let ended = () => {};
    const one = new Promise((done) => (ended = done));
    opening = one;
    try {
      return await open.apply(this, args);
    } finally {
      if (opening === one) opening = null;
      ended();
    }
  };
}

/** What ends when the file in API format is open that is being opened; null where none is. */
export function fileBeingOpened() {
  return opening;
}

/** Whether nodes are drawn on the classic canvas, rather than by Nodes 2.0. */
export function isClassic() {
  return !(/** @type {any} */ (window).LiteGraph?.vueNodesMode);
}

/** A new node, on no graph yet; null where ComfyUI does not know the class. */
export function createNode(className) {
  const { LiteGraph } = /** @type {any} */ (window);
  return LiteGraph.registered_node_types[className] ? LiteGraph.createNode(className) : null;
}

/** What the workflow that is open says in API format. */
export async function apiPrompt() {
  return (await app.graphToPrompt()).output;
}

/**
 * Whether nodes of this class give something out: only what leads to one of them runs. Undefined where it is not known.
 *
 * @returns {boolean | undefined}
 */
export function isOutput(className) {
  const { LiteGraph } = /** @type {any} */ (window);
  return LiteGraph.registered_node_types[className]?.nodeData?.output_node;
}

/** Whether ComfyUI takes the next seed before a run, and not after it. */
export function changesSeedsBefore() {
  const setting = /** @type {any} */ (app.extensionManager)?.setting;
  return setting?.get("Comfy.WidgetControlMode") === "before";
}

/**
 * What is about to be queued: its prompt in API format, how often, and the ids of the outputs that alone are wanted.
 *
 * @typedef {{prompt: () => Promise<Record<string, any>>, count: number, targets?: string[]}} Run
 */

/** @type {(run: Run) => Promise<string | null>} */
let whyNot = async () => null;
/** @type {(prompt: Record<string, any>, targets?: string[]) => string} */
let said = () => "";
/** @typedef {{workflow?: string, tab?: object}} Origin */
/** What ComfyUI has against nodes of a prompt, by their ids. @typedef {Record<string, {errors?: any[]}>} Objections */
/** @type {Set<(sent: Promise<string | undefined>, origin: Origin, objections: Promise<Objections>) => void>} */
const hearers = new Set();
let isWrapped = false;

/**
 * Ask `guard` before anything is queued: it tells why a run must not be, null where it may. The later runs of a batch are
 * of whatever is open by then, and others send prompts of their own meanwhile; where `words` tells of something else than of
 * what `guard` was asked about, it is asked anew.
 *
 * @param {(run: Run) => Promise<string | null>} guard
 * @param {(prompt: Record<string, any>, targets?: string[]) => string} words
 */
export function guardQueue(guard, words) {
  whyNot = guard;
  said = words;
  wrapQueue();
}

/**
 * Call `listener` with each prompt that this page sends: what becomes its id, undefined where it is refused; the id of its
 * workflow, and the tab that is open; what becomes of it that ComfyUI refuses, all of it or some of its nodes.
 *
 * @param {(sent: Promise<string | undefined>, origin: Origin, objections: Promise<Objections>) => void} listener
 */
export function onQueued(listener) {
  hearers.add(listener);
  wrapQueue();
}

/**
 * ComfyUI has nothing of its own for either: no event tells the id of a prompt before it runs, and `beforeQueued` of a
 * widget cannot say no. `app.queuePrompt` is what Run, its shortcuts, Run (Instant) and App mode call: there a whole batch
 * is held before seeds change and before ComfyUI says that it was queued. Packs call `api.queuePrompt` themselves. What
 * others have put around either goes on working, and so does what they put there later.
 */
function wrapQueue() {
  if (isWrapped) return;
  isWrapped = true;
  const run = /** @type {any} */ (app);
  const { queuePrompt: queueBatch } = run;
  const { queuePrompt: send } = api;
  /** What may be sent unasked, of the batch that was let through: so many, as long as this is said. */
  const granted = { said: "", left: 0 };
  /** @type {any[][]} */
  const waiting = [];
  let isSending = false;
  run.queuePrompt = async function (...args) {
    // What is queued while another batch is being sent would be sent after it, of whatever is open then: it is asked about
    // then. Whoever queues it is told at once, as ComfyUI does it.
    waiting.push(args);
    if (isSending) return false;
    isSending = true;
    let isQueued = false;
    try {
      for (let batch = waiting.shift(); batch; batch = waiting.shift()) isQueued = await queueOne.apply(this, batch);
    } finally {
      isSending = false;
      waiting.length = 0;
    }
    return isQueued;
  };
  /** @this {any} */
  async function queueOne(number, count = 1, ...rest) {
    const targets = Array.isArray(rest[0]) ? rest[0] : rest[0]?.queueNodeIds;
    /** @type {Record<string, any> | null} */
    let asked = null;
    const prompt = async () => {
      asked = null; // what cannot be read now may be by then
      return (asked = await apiPrompt());
    };
    if (await whyNot({ prompt, count, targets })) {
      waiting.length = 0;
      return false;
    }
    if (asked) Object.assign(granted, { said: said(asked, targets), left: count });
    try {
      return await queueBatch.call(this, number, count, ...rest);
    } finally {
      granted.left = 0; // some end early
    }
  }
  api.queuePrompt = async function (...args) {
    const [, { output, workflow }, options] = args;
    const targets = /** @type {any} */ (options)?.partialExecutionTargets;
    if (granted.left && granted.said === said(output, targets)) {
      granted.left -= 1;
    } else {
      const reason = await whyNot({ prompt: async () => output, count: 1, targets });
      if (reason) throw new Error(reason);
    }
    const answered = Promise.resolve(send.apply(this, args));
    const sent = answered.then(
      (answer) => answer?.prompt_id,
      () => undefined,
    );
    const objections = answered.then(
      (answer) => answer?.node_errors ?? {},
      (error) => error?.response?.node_errors ?? {},
    );
    for (const hear of hearers) hear(sent, { workflow: workflow?.id, tab: openWorkflow() }, objections);
    return answered;
  };
}

/** A store of the frontend's own, for what has neither an event nor a command. */
export function store(name) {
  return /** @type {any} */ (app.extensionManager)?._p?._s?.get(name);
}

/** What is set beside Run: {mode, batchCount}. */
function queueSettings() {
  return store("queueSettingsStore");
}

/** How many runs a press on Run queues. */
export function runsAtOnce() {
  return Math.max(1, Number(queueSettings()?.batchCount) || 1);
}

/** End Run (Instant) and Run (On Change); whether one was on. */
export function stopRunningAlone() {
  const queue = queueSettings();
  if (!queue || queue.mode === "disabled") return false;
  queue.mode = "disabled";
  return true;
}

/** Queue a prompt, given as {output, workflow}. */
export async function queue(prompt) {
  // Newer frontends take the last error from the nodes when a prompt of the tab begins, and do not know whose this one is.
  if (prompt.workflow?.id === rootGraph()?.id) store("executionError")?.clearExecutionStartErrors?.();
  await api.queuePrompt(0, prompt);
  // As ComfyUI's own Run says it: what is queued next is another command.
  /** @type {any} */ (api).dispatchEvent(new CustomEvent("promptQueued", { detail: { number: 0, batchCount: 1 } }));
}
