// Says what a playground is: once in each tab, and for good in Settings > About.

import { app } from "../../scripts/app.js";

const NOTICE =
  "This is a playground: it knows the Lumenfall nodes and the core image nodes. For everything else, use ComfyUI.";
const SEEN = "lumenfall.playground.noticed";

function tell(severity, detail) {
  app.extensionManager.toast.add({ severity, summary: "Lumenfall Playground", detail, life: 10000 });
}

app.registerExtension({
  name: "lumenfall.playground",
  aboutPageBadges: [
    { label: "Lumenfall Playground", url: "https://github.com/comfyanonymous/ComfyUI", icon: "pi pi-play" },
  ],
  setup() {
    if (sessionStorage.getItem(SEEN)) return;
    sessionStorage.setItem(SEEN, "yes");
    tell("info", NOTICE);
  },
  afterConfigureGraph(missing) {
    const types = [...new Set((missing ?? []).map((node) => node?.type ?? node))].sort();
    // Nobody opened the graph that a page starts with.
    if (!types.length || app.extensionManager.spinner) return;
    const names = types.length > 4 ? `${types.slice(0, 3).join(", ")} and ${types.length - 3} more` : types.join(", ");
    tell("warn", `This workflow needs ComfyUI for ${names}. What runs here is under Templates, comfyui-lumenfall.`);
  },
});
