// What ComfyUI's browser loads. Every .js below web/ is loaded as an extension, so there is only this one.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { addBar, refreshSoon } from "./bar.mjs";
import { element } from "./element.mjs";
import { listen } from "./events.mjs";
import { loadModels } from "./models.mjs";
import { openSettings, settings } from "./settings.mjs";
import { registerSidebar } from "./sidebar.mjs";
import { keepOneFree } from "./sockets.mjs";
import { readTexts } from "./text.mjs";
import { openEstimate, showTotal } from "./total.mjs";

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
