// Lets web/js be imported outside of ComfyUI's page: a page of jsdom around it, and the frontend that is beside this file.

import { register } from "node:module";
import { JSDOM } from "jsdom";

register("./resolve.js", import.meta.url);

const { window } = new JSDOM("<!doctype html><body></body>", { url: "http://127.0.0.1/", pretendToBeVisual: true });
for (const name of ["window", "document", "localStorage", "HTMLElement", "HTMLDialogElement", "CustomEvent", "requestAnimationFrame"]) {
  globalThis[name] = name === "window" ? window : window[name];
}
