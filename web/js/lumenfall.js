// What registers the extension. ComfyUI's browser loads every .js below web/: the others are free of side effects. They
// are no .mjs, which it would not load, because browsers would then keep their old code after an update: ComfyUI sends
// Cache-Control for .js and .css only.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { addBar, refreshSoon } from "./bar.js";
import { element } from "./element.js";
import { listen } from "./events.js";
import { loadModels, onModels } from "./models.js";
import { openSettings, settings } from "./settings.js";
import { registerSidebar } from "./sidebar.js";
import { keepOneFree } from "./sockets.js";
import { readTexts } from "./text.js";
import { openEstimate, showTotal } from "./total.js";

for (const name of ["base", "bar", "picker", "settings", "sidebar", "toast", "total"]) {
  const href = new URL(`../css/${name}.css`, import.meta.url).href;
  document.head.append(element("link", { rel: "stylesheet", href }));
}

app.registerExtension({
  name: "Lumenfall",
  settings,
  commands: [
    { id: "Lumenfall.Settings", label: "Lumenfall settings", icon: "pi pi-cog", function: openSettings },
    {
      id: "Lumenfall.Estimate",
      label: "Lumenfall: what would this workflow cost?",
      icon: "pi pi-dollar",
      function: openEstimate,
    },
  ],
  menuCommands: [{ path: ["Extensions", "Lumenfall"], commands: ["Lumenfall.Estimate", "Lumenfall.Settings"] }],

  async init() {
    await readTexts();
  },

  setup() {
    listen();
    onModels(refreshSoon);
    showTotal();
    registerSidebar();
    loadModels();
    // Undo, paste, and whatever else changes widgets without asking them.
    api.addEventListener("graphChanged", refreshSoon);
  },

  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("Lumenfall")) return;
    addBar(node);
    if (node.comfyClass === "LumenfallEdit") keepOneFree(node, "image_", 2, 16);
  },

  afterConfigureGraph: refreshSoon,
});
