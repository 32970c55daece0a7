// What registers the extension. ComfyUI's browser loads every .js below web/: the others are free of side effects. They
// are no .mjs, which it would not load, because browsers would then keep their old code after an update: ComfyUI sends
// Cache-Control for .js and .css only.

import { showInApps } from "./app_mode.js";
import { askBeforeRuns } from "./ask.js";
import { addBar, barOf, refreshBars } from "./bar.js";
import { element } from "./element.js";
import { watchEnded } from "./ended.js";
import { readThreshold } from "./estimate.js";
import { hearRuns } from "./events.js";
import { layOut } from "./folding.js";
import { selectedNodes } from "./host/canvas.js";
import { changed, hearChanges, onChange } from "./host/changes.js";
import { listen, placeOnPage, registerExtension, watchOpening } from "./host/frontend.js";
import { classOf, keepPlainTexts } from "./host/graph.js";
import { loadModels, onModels } from "./models.js";
import { EDIT, isOurs, isPaid } from "./nodes.js";
import { watchQuotes } from "./quotes.js";
import { openSettings, settings } from "./settings.js";
import { registerSidebar } from "./sidebar.js";
import { keepOneFree } from "./sockets.js";
import { onLanguage, readTexts, t } from "./text.js";
import { openEstimate, showTotal } from "./total.js";

const STYLES = ["base", "bar", "picker", "picture", "settings", "sidebar", "toast", "total"];

registerExtension({
  name: "lumenfall.nodes",
  settings,
  commands: [
    { id: "Lumenfall.Settings", label: "Lumenfall settings", icon: "pi pi-cog", function: openSettings },
    {
      id: "Lumenfall.Estimate",
      label: "Lumenfall: what would this workflow cost?",
      icon: "pi pi-dollar",
      function: openEstimate,
    },
    {
      id: "Lumenfall.Model",
      label: "Lumenfall: choose a model",
      icon: "pi pi-sparkles",
      function: () => barOf(selectedNodes().find(isPaid))?.pick(),
    },
  ],
  menuCommands: [
    { path: ["Extensions", "Lumenfall"], commands: ["Lumenfall.Model", "Lumenfall.Estimate", "Lumenfall.Settings"] },
  ],
  keybindings: [{ commandId: "Lumenfall.Model", combo: { key: "l", ctrl: true, shift: true } }],
  aboutPageBadges: [{ label: "Lumenfall", url: "https://docs.lumenfall.ai", icon: "pi pi-wallet" }],

  async init() {
    for (const name of STYLES) {
      const href = new URL(`../css/${name}.css`, import.meta.url).href;
      placeOnPage(element("link", { rel: "stylesheet", href }));
    }
    await readTexts();
  },

  setup() {
    const steps = [hearChanges, watchOpening, hearRuns, () => onChange(refreshBars), () => onModels(changed), () => onLanguage(changed)];
    // Whoever saves the settings reads the models anew.
    steps.push(() => onModels(readThreshold), askBeforeRuns, watchQuotes, watchEnded, showTotal, showInApps, registerSidebar, loadModels);
    // It may be another version of the server, or the first that answers.
    steps.push(() => listen("reconnected", () => loadModels()));
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        // What a frontend does not have takes nothing else along.
        console.error("Lumenfall", error);
      }
    }
  },

  nodeCreated(node) {
    if (!isOurs(node)) return;
    keepPlainTexts(node);
    addBar(node);
    layOut(node);
    if (classOf(node) === EDIT) keepOneFree(node, "image_", 2, 16);
  },

  getSelectionToolboxCommands: (item) => (isPaid(item) ? ["Lumenfall.Model"] : []),
  getNodeMenuItems: (node) =>
    isPaid(node) ? [{ content: t("node.choose"), callback: () => barOf(node)?.pick() }] : [],

  afterConfigureGraph: changed,
  onNodeOutputsUpdated: changed,
});
