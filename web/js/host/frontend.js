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

/** Whether a workflow is being opened, or brought back by undo: its nodes are there, but not yet what they will be. */
export function isLoading() {
  return Boolean(app.configuringGraph);
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
 * Call `listener` with each prompt that this page has queued: its id, the id of its workflow, and the tab that was open.
 *
 * @param {(promptId: string, workflowId: string | undefined, tab: object | undefined) => void} listener
 */
export function onQueued(listener) {
  // No event tells the id before the prompt runs.
  const { queuePrompt } = api;
  api.queuePrompt = async function (...args) {
    const tab = openWorkflow();
    const answer = await queuePrompt.apply(this, args);
    if (answer?.prompt_id) listener(answer.prompt_id, args[1]?.workflow?.id, tab);
    return answer;
  };
}

/** Queue a prompt, given as {output, workflow}. */
export async function queue(prompt) {
  await api.queuePrompt(0, prompt);
  // As ComfyUI's own Run says it: what is queued next is another command.
  /** @type {any} */ (api).dispatchEvent(new CustomEvent("promptQueued", { detail: { number: 0, batchCount: 1 } }));
}
