// The settings dialog. What is set here goes to the pack's own route and stays on the server: ComfyUI's settings can be
// read by every page and extension, so they hold nothing of it.

import { openDialog } from "./dialog.js";
import { element } from "./element.js";
import { loadModels } from "./models.js";
import { amountsIn, changedAmounts, wrongLine } from "./amounts.js";
import { amountField, amountIn, amountsField } from "./fields.js";
import { get, post, told } from "./server.js";
import { money, number, t } from "./text.js";

const KEYS_PAGE = "https://lumenfall.ai/app/api_keys";
const LIMITS = ["run", "day", "month"];

/** Entries for ComfyUI's settings dialog: buttons that open ours. */
export const settings = [
  {
    id: "Lumenfall.Open",
    name: "API key, limits, behaviour",
    category: ["Lumenfall", "Lumenfall", "Settings"],
    tooltip: "Kept on the machine that ComfyUI runs on, outside of everything that it serves.",
    defaultValue: null,
    type: () =>
      element("button", {
        class: "lumenfall-button",
        type: "button",
        text: t("settings.open"),
        onclick: () => openSettings(),
      }),
  },
];

/** Called whenever settings have been changed. @type {Set<() => void>} */
export const settingsListeners = new Set();

/** Open the settings of the pack. */
export function openSettings() {
  openDialog({
    title: t("settings.title"),
    className: "lumenfall-settings",
    render: (body, close) => new Form(body, close).load(),
  });
}

class Form {
  /** @type {any} */ now; // what /settings answers
  /** @type {HTMLElement} */ message;
  /** @type {HTMLInputElement} */ key;
  /** @type {HTMLInputElement} */ baseUrl;
  /** @type {Record<string, HTMLInputElement>} */ limits = {};
  /** @type {HTMLInputElement} */ ask;
  /** @type {HTMLTextAreaElement} */ prices;
  /** @type {HTMLTextAreaElement} */ rates;
  /** @type {HTMLSelectElement} */ onFailure;
  /** @type {HTMLInputElement} */ replay;
  /** @type {HTMLSelectElement} */ receipts;
  /** @type {HTMLInputElement} */ parallel;
  /** @type {HTMLInputElement} */ store;

  constructor(body, close) {
    this.body = body;
    this.close = close;
    this.removesKey = false;
  }

  async load() {
    this.body.append(element("p", { class: "lumenfall-muted", text: t("settings.loading"), role: "status" }));
    try {
      this.now = await get("/settings");
    } catch (error) {
      this.body.replaceChildren(this.complaint(error));
      return;
    }
    this.build();
  }

  build() {
    const { now } = this;
    this.message = element("div", { class: "lumenfall-message", role: "alert" });
    if (!now.may_change) this.message.append(element("p", { class: "lumenfall-muted", text: now.why_not }));
    const form = element(
      "form",
      { onsubmit: (event) => this.save(event) },
      this.message,
      this.section("connection", this.keyRows(), this.baseUrlRow(), this.testRow()),
      this.section(
        "spending",
        this.spentRow(),
        LIMITS.map((name) => this.limitRow(name)),
        this.askRow(),
        this.pricesRow(),
        this.ratesRow(),
      ),
      this.section(
        "behaviour",
        this.failureRow(),
        this.replayRow(),
        this.receiptsRow(),
        this.parallelRow(),
        this.storeRow(),
      ),
      element(
        "footer",
        {},
        element("button", {
          class: "lumenfall-button",
          type: "button",
          text: t("settings.cancel"),
          onclick: this.close,
        }),
        element("button", {
          class: "lumenfall-button primary",
          type: "submit",
          text: t("settings.save"),
          disabled: !now.may_change,
        }),
      ),
    );
    this.body.replaceChildren(form);
    const usable = ".lumenfall-setting:not([hidden]) :is(input, button):not(:disabled)";
    /** @type {HTMLElement | null} */ (this.body.querySelector(usable))?.focus();
  }

  section(name, ...rows) {
    return element("section", {}, element("h3", { text: t(`settings.${name}`) }), rows);
  }

  /** A row of the form. `name` is the setting's; the row is disabled where the environment decides it. */
  row(name, label, field, hint) {
    const id = `lumenfall-${name.replace(".", "-")}`;
    const variable = this.now.locked[name];
    field.id = id;
    if (variable || !this.now.may_change) field.disabled = true;
    const note = variable ? t("settings.locked", { variable }) : hint;
    return element(
      "div",
      { class: "lumenfall-setting" },
      element("label", { for: id, htmlFor: id, text: label }),
      element("div", {}, field, note ? element("small", { class: "lumenfall-muted", text: note }) : null),
    );
  }

  keyRows() {
    const { key } = this.now;
    this.key = element("input", {
      class: "lumenfall-field",
      type: "password",
      autocomplete: "new-password",
      spellcheck: false,
      placeholder: "lmnfl_\u2026",
    });
    const typing = this.row("key", t("settings.key"), this.key, t("settings.keyHint"));
    const where = element("a", { href: KEYS_PAGE, target: "_blank", rel: "noopener", text: t("settings.getKey") });
    if (!key.set) return [typing, element("div", { class: "lumenfall-setting" }, element("span"), where)];
    typing.hidden = true;
    const replace = () => {
      shown.hidden = true;
      typing.hidden = false;
      this.key.focus();
    };
    const remove = () => {
      this.removesKey = true;
      shown.replaceChildren(
        element("span", { text: t("settings.key") }),
        element("em", { text: t("settings.removed") }),
      );
    };
    const stays = Boolean(this.now.locked.key) || key.source !== "settings";
    const shown = element(
      "div",
      { class: "lumenfall-setting" },
      element("span", { text: t("settings.key") }),
      element(
        "div",
        { class: "lumenfall-key" },
        element("code", { text: key.masked }),
        element("small", { class: "lumenfall-muted", text: t(`settings.from_${key.source}`, { host: key.host }) }),
        this.now.locked.key
          ? null
          : element("button", {
              class: "lumenfall-button",
              type: "button",
              text: t("settings.replace"),
              onclick: replace,
              disabled: !this.now.may_change,
            }),
        stays
          ? null
          : element("button", {
              class: "lumenfall-button",
              type: "button",
              text: t("settings.remove"),
              onclick: remove,
              disabled: !this.now.may_change,
            }),
      ),
    );
    return [shown, typing];
  }

  baseUrlRow() {
    const { value, source } = this.now.base_url;
    this.baseUrl = element("input", {
      class: "lumenfall-field",
      type: "url",
      spellcheck: false,
      value: source === "default" ? "" : value,
      placeholder: value,
    });
    return this.row("base_url", t("settings.baseUrl"), this.baseUrl, t("settings.baseUrlHint"));
  }

  testRow() {
    const result = element("span", { role: "status" });
    const button = element("button", {
      class: "lumenfall-button",
      type: "button",
      text: t("settings.test"),
      disabled: !this.now.may_change,
    });
    button.addEventListener("click", async () => {
      button.disabled = true;
      result.className = "lumenfall-muted";
      result.textContent = t("settings.testing");
      const tried = await post("/test", this.server()).catch((error) => ({ ok: false, error }));
      button.disabled = false;
      result.className = tried.ok ? "lumenfall-good" : "lumenfall-error";
      result.textContent = tried.ok ? works(tried) : told(tried.error);
    });
    return element(
      "div",
      { class: "lumenfall-setting" },
      element("span"),
      element("div", { class: "lumenfall-test" }, button, result),
    );
  }

  /** What was typed of key and base URL. */
  server() {
    /** @type {{key?: string, base_url?: string}} */
    const typed = {};
    if (this.key.value.trim()) typed.key = this.key.value.trim();
    if (this.baseUrl.value.trim() && !this.baseUrl.disabled) typed.base_url = this.baseUrl.value.trim();
    return typed;
  }

  spentRow() {
    const told = element("span", { text: "\u2026" });
    get("/spend")
      .then((spend) => {
        told.textContent = t("settings.spent", {
          today: money(spend.today, spend.currency),
          month: money(spend.month, spend.currency),
        });
      })
      .catch((error) => {
        told.textContent = error.message;
      });
    return element("p", { class: "lumenfall-muted" }, told);
  }

  limitRow(name) {
    this.limits[name] = amountField(this.now.limits[name]);
    return this.row(
      `limits.${name}`,
      t(`settings.limit_${name}`),
      this.limits[name],
      name === "run" ? t("settings.limitHint") : null,
    );
  }

  askRow() {
    this.ask = amountField(this.now.ask_above);
    return this.row("ask_above", t("settings.askAbove"), this.ask, t("settings.askHint"));
  }

  pricesRow() {
    this.prices = amountsField(this.now.prices, "provider/model 0.04");
    return this.row("prices", t("settings.prices"), this.prices, t("settings.pricesHint"));
  }

  ratesRow() {
    this.rates = amountsField(this.now.rates, "EUR 1.1");
    return this.row("rates", t("settings.rates"), this.rates, t("settings.ratesHint"));
  }

  failureRow() {
    const choices = ["stop", "keep"].map((value) =>
      element("option", { value, text: t(`settings.on_failure_${value}`), selected: value === this.now.on_failure }),
    );
    this.onFailure = element("select", { class: "lumenfall-field" }, choices);
    return this.row("on_failure", t("settings.onFailure"), this.onFailure, t("settings.onFailureHint"));
  }

  replayRow() {
    this.replay = element("input", { type: "checkbox", checked: this.now.replay });
    return this.row("replay", t("settings.replay"), this.replay, t("settings.replayHint"));
  }

  receiptsRow() {
    const choices = ["full", "cost", "off"].map((value) =>
      element("option", { value, text: t(`settings.receipts_${value}`), selected: value === this.now.receipts }),
    );
    this.receipts = element("select", { class: "lumenfall-field" }, choices);
    return this.row("receipts", t("settings.receipts"), this.receipts, t("settings.receiptsHint"));
  }

  parallelRow() {
    this.parallel = element("input", {
      class: "lumenfall-field",
      type: "number",
      min: 1,
      max: 16,
      step: 1,
      required: true,
      value: this.now.parallel,
    });
    return this.row("parallel", t("settings.parallel"), this.parallel, t("settings.parallelHint"));
  }

  storeRow() {
    this.store = element("input", {
      class: "lumenfall-field",
      type: "number",
      min: 0,
      step: "any",
      required: true,
      value: this.now.store_gb,
    });
    return this.row(
      "store_gb",
      t("settings.store"),
      this.store,
      t("settings.storeHint", { used: number(this.now.store_used / 1e9, 2) }),
    );
  }

  /** Only what was changed: two open dialogs must not undo each other. */
  changes() {
    const { now } = this;
    /** @type {any} */
    const changed = {};
    if (this.removesKey) changed.key = null;
    if (this.key.value.trim()) changed.key = this.key.value.trim();
    const before = now.base_url.source === "default" ? "" : now.base_url.value;
    if (this.baseUrl.value.trim() !== before) changed.base_url = this.baseUrl.value.trim() || null;
    for (const name of LIMITS) {
      const amount = amountIn(this.limits[name]);
      if (amount !== now.limits[name]) (changed.limits ??= {})[name] = amount;
    }
    for (const name of ["prices", "rates"]) {
      const amounts = changedAmounts(now[name], amountsIn(this[name].value));
      if (Object.keys(amounts).length) changed[name] = amounts;
    }
    const others = {
      ask_above: amountIn(this.ask),
      on_failure: this.onFailure.value,
      replay: this.replay.checked,
      receipts: this.receipts.value,
      parallel: Number(this.parallel.value),
      store_gb: Number(this.store.value),
    };
    for (const [name, value] of Object.entries(others)) if (value !== now[name]) changed[name] = value;
    return changed;
  }

  async save(event) {
    event.preventDefault();
    for (const field of [this.prices, this.rates]) {
      const wrong = wrongLine(field.value);
      field.setCustomValidity(wrong ? t("settings.amountsWrong", { line: wrong }) : "");
      if (!field.reportValidity()) return;
    }
    const changes = this.changes();
    if (!Object.keys(changes).length) return this.close();
    try {
      await post("/settings", changes);
    } catch (error) {
      this.message.replaceChildren(this.complaint(error));
      this.body.scrollTop = 0;
      return;
    }
    this.key.value = "";
    this.close();
    for (const listener of settingsListeners) listener();
    loadModels("key" in changes || "base_url" in changes);
  }

  complaint(error) {
    return element("p", { class: "lumenfall-error", text: told(error) });
  }
}

function works({ host, models, balance }) {
  const parts = [t("settings.works", { host, count: models })];
  if (balance && balance.amount !== null)
    parts.push(t("settings.balance", { amount: money(balance.amount, balance.currency) }));
  return parts.join(" ");
}
