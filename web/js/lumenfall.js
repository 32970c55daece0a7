// What ComfyUI's browser loads. Every .js below web/ is loaded as an extension, so there is only this one.

import { app } from "../../scripts/app.js";
import { keepOneFree } from "./sockets.mjs";

app.registerExtension({
  name: "Lumenfall",
  nodeCreated(node) {
    if (node.comfyClass === "LumenfallEdit") keepOneFree(node, "image_", 2, 16);
  },
});
