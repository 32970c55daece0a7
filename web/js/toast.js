// Errors where they are seen. ComfyUI hides the text of an error behind a click; here it stands with what to do next.

import { element } from "./element.js";
import { placeOnPage } from "./host/frontend.js";
import { t } from "./text.js";

const MOST = 3;
/** @type {HTMLElement | null} */
let stack = null;

/**
 * Show a card until it is closed, or for `seconds`; `actions` are its buttons, which close it unless it `stays`. A later
 * card with the same `key` takes the place of the earlier one.
 *
 * @param {object} card
 * @param {"info" | "warning" | "error"} [card.kind]
 * @param {string} card.title
 * @param {string} card.text
 * @param {string[]} [card.facts]
 * @param {{href: string, text: string} | null} [card.link]
 * @param {{text: string, run: (button: HTMLElement) => unknown, stays?: boolean}[]} [card.actions]
 * @param {number} [card.seconds]
 * @param {string} [card.key]
 */
export function showToast({ kind = "info", title, text, facts = [], link, actions = [], seconds, key }) {
  if (!stack) {
    stack = element("div", { class: "lumenfall-toasts", role: "region", "aria-label": "Lumenfall" });
    placeOnPage(stack);
  }
  if (key) closeToast(key);
  /** @type {HTMLElement | null} */
  let before = null; // where the focus came from
  const close = () => {
    const hadFocus = card.contains(document.activeElement);
    card.remove();
    if (hadFocus) before?.focus();
  };
  const card = element(
    "div",
    { class: `lumenfall-toast ${kind}`, role: kind === "error" ? "alert" : "status", dataset: key ? { key } : {} },
    element(
      "header",
      {},
      element("h3", { text: title }),
      element("button", {
        class: "lumenfall-close",
        type: "button",
        text: "\u00d7",
        "aria-label": t("dialog.close"),
        onclick: close,
      }),
    ),
    element("p", { class: "lumenfall-told", text }),
    facts.length
      ? element(
          "p",
          { class: "lumenfall-facts" },
          facts.map((fact) => element("code", { text: fact })),
        )
      : null,
    link || actions.length
      ? element(
          "footer",
          {},
          link ? element("a", { href: link.href, target: "_blank", rel: "noopener", text: link.text }) : null,
          actions.map((action) =>
            element("button", {
              class: "lumenfall-button",
              type: "button",
              text: action.text,
              onclick: (event) => {
                if (!action.stays) close();
                action.run(event.currentTarget);
              },
            }),
          ),
        )
      : null,
  );
  card.addEventListener("focusin", ({ relatedTarget }) => {
    if (relatedTarget instanceof HTMLElement && !card.contains(relatedTarget)) before = relatedTarget;
  });
  stack.append(card);
  while (stack.children.length > MOST) stack.firstElementChild?.remove();
  if (seconds) setTimeout(close, seconds * 1000);
}

/** Close the card with a key, if it is shown. */
export function closeToast(key) {
  for (const card of /** @type {HTMLElement[]} */ ([...(stack?.children ?? [])])) {
    if (card.dataset.key === key) card.remove();
  }
}
