// The calls of the past: a list with thumbnails, and a dialog for one of them.

import { Calls } from "./calls.js";
import { openDialog } from "./dialog.js";
import { element } from "./element.js";
import { actionsOn } from "./pictures.js";
import { DRAGGED, placeCall, recoverCall } from "./restore.js";
import { giveUp, picture, told } from "./server.js";
import { ago, money, number, t } from "./text.js";
import { showToast } from "./toast.js";
import { tool } from "./view.js";

const THUMBNAIL = 160;
const TYPING = 250; // milliseconds until what was typed is searched for
const RETRY = 5000;

/** @typedef {{told: string, when: HTMLElement, sentAt: number, entry: HTMLElement}} Row */

/** The list. `find(id)` gives a call that is in it. */
export class History {
  /** `onrelease` is called when a call was let go. @param {() => unknown} [onrelease] */
  constructor(onrelease = () => {}) {
    this.onrelease = onrelease;
    this.all = new Calls();
    /** What is searched for; null where nothing is. @type {Calls | null} */
    this.found = null;
    this.urls = new Map();
    /** The rows that are shown, by the ids of their calls. @type {Map<string, Row>} */
    this.rows = new Map();
    this.trouble = element("p", { class: "lumenfall-error", role: "alert", hidden: true });
    this.filter = element("input", {
      class: "lumenfall-field",
      type: "search",
      placeholder: t("sidebar.filter"),
      "aria-label": t("sidebar.filter"),
      oninput: () => {
        clearTimeout(this.typing);
        this.typing = setTimeout(() => this.search(), TYPING);
      },
    });
    this.list = element("div", { class: "lumenfall-calls" });
    this.end = element("div", { class: "lumenfall-end" });
    this.root = element(
      "section",
      { class: "lumenfall-history", "aria-label": t("sidebar.history") },
      element("h3", { text: t("sidebar.history") }),
      this.filter,
      this.trouble,
      this.list,
      this.end,
    );
    this.seen = new IntersectionObserver((entries) =>
      entries.forEach((entry) => entry.isIntersecting && this.reach(entry.target)),
    );
    this.seen.observe(this.end);
  }

  destroy() {
    this.seen.disconnect();
    clearTimeout(this.typing);
    clearTimeout(this.retrying);
    for (const url of this.urls.values()) URL.revokeObjectURL(url);
    this.urls.clear();
  }

  find(id) {
    return this.all.known.get(id) ?? this.found?.known.get(id);
  }

  /** Take the newest page, as /calls gives it; what is older stays. Throws ServerError. */
  async take(page) {
    const isNews = await this.all.take(page);
    this.isKnown = true;
    if (isNews && this.found) await this.found.take(await this.found.page());
    this.show();
  }

  /** Show what holds the words of the filter, of all calls that there are. */
  async search() {
    const words = this.filter.value.trim();
    const found = words ? new Calls(words) : null;
    await this.tellTrouble(async () => found?.take(await found.page()));
    if (this.filter.value.trim() !== words) return;
    this.found = found;
    this.show();
    this.lookAgain();
  }

  /** Do something, and show what keeps it from being done; whether nothing did. */
  async tellTrouble(act) {
    try {
      await act();
      this.trouble.hidden = true;
    } catch (error) {
      this.trouble.textContent = told(error);
      this.trouble.hidden = false;
    }
    return this.trouble.hidden;
  }

  async reach(target) {
    if (target === this.end) return this.loadOlder();
    this.seen.unobserve(target);
    const { call, number } = target.dataset;
    target.src = await this.thumbnail(call, number);
  }

  async loadOlder() {
    const shown = this.found ?? this.all;
    if (!shown.more || this.loading) return;
    this.loading = true;
    const isLoaded = await this.tellTrouble(() => shown.loadOlder());
    this.loading = false;
    this.show();
    if (isLoaded) this.lookAgain();
    else this.retrying = setTimeout(() => this.lookAgain(), RETRY);
  }

  /** Load on, should the end of the list still be seen. */
  lookAgain() {
    this.seen.unobserve(this.end);
    this.seen.observe(this.end);
  }

  async thumbnail(id, number) {
    const name = `${id}/${number}`;
    if (!this.urls.has(name)) {
      try {
        this.urls.set(name, URL.createObjectURL(await picture(id, number, THUMBNAIL)));
      } catch {
        return "";
      }
    }
    return this.urls.get(name);
  }

  /** Rows of which nothing has changed stay where they are: one may be pressed, dragged or have the focus just now. */
  show() {
    const matching = [...(this.found ?? this.all).known.values()].sort((a, b) => b.sent_at - a.sent_at);
    const { activeElement } = document;
    const focused = this.list.contains(activeElement) ? activeElement?.getAttribute("data-call") : null;
    this.rows = new Map(matching.map((call) => [call.id, this.row(call)]));
    const shown = [...this.rows.values()].map(({ entry }) => entry);
    if (!matching.length && (this.found || this.isKnown))
      shown.push(element("p", { class: "lumenfall-muted", text: t(this.found ? "sidebar.noMatch" : "sidebar.noCalls") }));
    const kept = new Set(shown);
    for (const child of [...this.list.children]) if (!kept.has(/** @type {HTMLElement} */ (child))) child.remove();
    shown.forEach((child, place) => {
      if (this.list.children[place] !== child) this.list.insertBefore(child, this.list.children[place] ?? null);
    });
    /** @type {HTMLElement | null} */
    const again = focused ? this.list.querySelector(`[data-call="${focused}"]`) : null;
    if (again !== document.activeElement) again?.focus();
  }

  /** Time passes; nothing else need have changed. */
  tick() {
    for (const { when, sentAt } of this.rows.values()) tellAge(when, sentAt);
  }

  row(call) {
    const told = JSON.stringify(call);
    let row = this.rows.get(call.id);
    if (row?.told !== told) {
      const when = element("span");
      row = { told, when, sentAt: call.sent_at, entry: this.entry(call, when) };
    }
    tellAge(row.when, row.sentAt);
    return row;
  }

  entry(call, when) {
    const [first] = call.pictures;
    const entry = element(
      "button",
      {
        class: "lumenfall-call",
        type: "button",
        draggable: true,
        title: t("sidebar.drag"),
        dataset: { call: call.id },
        onclick: () => showCall(call, this.onrelease),
        ondragstart: (event) => {
          event.dataTransfer.setData(DRAGGED, call.id);
          event.dataTransfer.effectAllowed = "copy";
        },
      },
      first ? this.image(call, first.number) : element("span", { class: "lumenfall-blank" }),
      element(
        "span",
        { class: "lumenfall-about" },
        element("span", { class: "lumenfall-words", text: call.prompt || call.node_title || call.model }),
        element("span", { class: "lumenfall-muted", text: call.model }),
        element(
          "span",
          { class: "lumenfall-muted" },
          when,
          call.pictures.length > 1 ? ` \u00b7 ${t("sidebar.pictures", { count: call.pictures.length })}` : "",
        ),
      ),
      element("span", { class: `lumenfall-cost ${call.state}`, text: costOf(call), title: call.error ?? "" }),
    );
    return entry;
  }

  image(call, number) {
    const image = element("img", { alt: "", draggable: false, dataset: { call: call.id, number } });
    const known = this.urls.get(`${call.id}/${number}`);
    if (known) image.src = known;
    else this.seen.observe(image);
    return image;
  }
}

function tellAge(when, sentAt) {
  const told = ago(sentAt);
  if (when.textContent !== told) when.textContent = told;
}

function costOf(call) {
  if (call.given_up) return t("sidebar.givenUp");
  if (call.state === "lost") return t("sidebar.lost");
  if (call.cost === null) return t("sidebar.unknownCost");
  return (call.approximate ? "\u2248 " : "") + money(call.cost, call.currency);
}

/** Everything that is known of one call. */
function showCall(call, onrelease) {
  const urls = [];
  openDialog({
    title: call.node_title ?? call.model,
    className: "lumenfall-one-call",
    onclose: () => urls.forEach((url) => URL.revokeObjectURL(url)),
    render(body, close) {
      const act = (action) => () => {
        close();
        action(call);
      };
      body.append(
        element(
          "div",
          { class: "lumenfall-pictures" },
          call.pictures.map((stored) => large(call, stored, urls, close)),
        ),
        call.prompt ? element("p", { class: "lumenfall-prompt", text: call.prompt }) : "",
        element("dl", {}, facts(call)),
        call.can_send_again
          ? element("p", {
              class: "lumenfall-muted",
              text: t(call.blocking ? "sidebar.blocking" : "sidebar.incomplete"),
            })
          : "",
        element(
          "footer",
          {},
          call.has_graph
            ? element("button", {
                class: "lumenfall-button primary",
                type: "button",
                text: t("sidebar.place"),
                onclick: act(placeCall),
              })
            : null,
          call.recoverable
            ? element("button", {
                class: "lumenfall-button",
                type: "button",
                text: t("sidebar.recover"),
                onclick: act(recoverCall),
              })
            : null,
          call.can_send_again
            ? element("button", {
                class: "lumenfall-button",
                type: "button",
                text: t("errors.sendAgain"),
                onclick: act(async () => (await release(call)) && onrelease()),
              })
            : null,
          call.link
            ? element("a", { href: call.link, target: "_blank", rel: "noopener", text: t("errors.openRequest") })
            : null,
        ),
      );
    },
  });
}

/** Let the next run send the call again; whether it may. */
async function release(call) {
  const card = { title: call.node_title ?? call.model, key: call.id };
  try {
    const { state, given_up: isGivenUp } = await giveUp(call.id);
    Object.assign(call, { state, given_up: isGivenUp, blocking: false, can_send_again: false });
    showToast({ ...card, text: t(isGivenUp ? "sidebar.released" : "sidebar.resolved") });
    return true;
  } catch (error) {
    showToast({ ...card, kind: "error", text: told(error) });
    return false;
  }
}

function large(call, { number, extension }, urls, close) {
  const stored = { call: call.id, number, extension, words: call.prompt };
  const actions = actionsOn(stored, { leave: close }).map(({ name, icon, run }) => tool(name, icon, run));
  const image = element("img", { alt: t("sidebar.picture", { number }) });
  picture(call.id, number)
    .then((blob) => {
      urls.push(URL.createObjectURL(blob));
      image.src = urls.at(-1);
    })
    .catch((error) => image.replaceWith(element("p", { class: "lumenfall-error", text: told(error) })));
  return element("figure", {}, image, element("div", { class: "lumenfall-tools", role: "group" }, actions));
}

function facts(call) {
  const known = {
    model:
      call.executed_model && call.executed_model !== call.model ? `${call.model} (${call.executed_model})` : call.model,
    provider: call.provider,
    cost: costOf(call),
    seconds: call.seconds ? t("node.seconds", { count: number(call.seconds, 1) }) : null,
    when: ago(call.sent_at),
    workflow: call.workflow,
    request: call.request_id,
    error: call.error,
  };
  return Object.entries(known)
    .filter(([, value]) => value)
    .flatMap(([name, value]) => [element("dt", { text: t(`sidebar.fact_${name}`) }), element("dd", { text: value })]);
}
