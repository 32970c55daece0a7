// A modal dialog of our own, on the browser's <dialog>: it keeps the focus inside, closes on Escape, and gives the
// focus back.

import { element } from "./element.js";
import { placeOnPage } from "./host/frontend.js";
import { t } from "./text.js";

/**
 * Open a dialog. `render` fills its body; `onclose` is called once, however it was closed.
 *
 * @param {object} dialog
 * @param {string} dialog.title
 * @param {string} [dialog.className]
 * @param {(body: HTMLElement, close: () => void) => unknown} dialog.render
 * @param {() => void} [dialog.onclose]
 */
export function openDialog({ title, className = "", render, onclose }) {
  const body = element("div", { class: "lumenfall-dialog-body" });
  const close = () => dialog.close();
  const dialog = element(
    "dialog",
    { class: `lumenfall-dialog ${className}`, "aria-label": title },
    element(
      "header",
      {},
      element("h2", { text: title }),
      element("button", {
        class: "lumenfall-close",
        type: "button",
        text: "\u00d7",
        "aria-label": t("dialog.close"),
        onclick: close,
      }),
    ),
    body,
  );
  // Keys typed here are not meant for the canvas behind it.
  for (const kind of ["keydown", "keyup", "paste", "copy", "wheel"])
    dialog.addEventListener(kind, (event) => event.stopPropagation());
  // A press that begins in a field and ends beside the dialog selects text.
  let isPressedBeside = false;
  dialog.addEventListener("pointerdown", (event) => (isPressedBeside = event.target === dialog));
  dialog.addEventListener("click", (event) => isPressedBeside && event.target === dialog && close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose?.();
  });
  placeOnPage(dialog);
  render(body, close);
  dialog.showModal();
  /** @type {HTMLElement | null} */
  const first = body.querySelector("[autofocus]") ?? body.querySelector("input, button");
  first?.focus();
  return { close };
}
