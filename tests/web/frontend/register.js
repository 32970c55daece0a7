// Lets web/js be imported outside of ComfyUI's page: a page of jsdom around it, and the frontend that is beside this file.

import { register } from "node:module";
import { JSDOM } from "jsdom";

register("./resolve.js", import.meta.url);

const { window } = new JSDOM("<!doctype html><body></body>", { url: "http://127.0.0.1/", pretendToBeVisual: true });
const NAMES = ["window", "document", "localStorage", "sessionStorage", "HTMLElement", "HTMLDialogElement", "CustomEvent"];
for (const name of [...NAMES, "requestAnimationFrame", "navigator"]) {
  Object.defineProperty(globalThis, name, { value: name === "window" ? window : window[name], configurable: true });
}

// Not in jsdom: what shows a modal dialog, and what tells that an element is seen.
const { HTMLDialogElement, HTMLElement: Element } = window;
HTMLDialogElement.prototype.showModal = function () {
  this.open = true;
};
HTMLDialogElement.prototype.close = function () {
  this.open = false;
  this.dispatchEvent(new window.Event("close"));
};
Element.prototype.scrollIntoView = () => {};
globalThis.IntersectionObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
