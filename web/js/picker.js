// The model picker: a dialog with a search field, filters, and a list that says what each model takes and costs.

import { nameOfSlug, successorsOf } from "./accepts.js";
import { Contenders } from "./contenders.js";
import { openDialog } from "./dialog.js";
import { element } from "./element.js";
import { beginsWith, isCalled, makerOf } from "./makers.js";
import { findModel, fits, hasEnded, isEnding, knownModels, loadModels, onModels } from "./models.js";
import { ago, date, money, t } from "./text.js";

const RECENT = "Lumenfall.recent";
const MOST_RECENT = 5;
const ACTIVE = "lumenfall-active-model"; // the id of the row that Enter picks

const FILTERS = {
  generate: (model) => model.modes.includes("generate"),
  edit: (model) => model.modes.includes("edit"),
  mask: (model) => model.mask,
  several: (model) => model.max_images > 1,
  upscale: (model) => model.modes.includes("upscale"),
  transparency: (model) => model.transparency,
};

const ORDERS = {
  recommended: () => 0,
  price: (a, b) => (a.price ?? Infinity) - (b.price ?? Infinity),
  speed: (a, b) => (a.seconds ?? Infinity) - (b.seconds ?? Infinity),
};

/** Remember that a model was used; the last ones come first in the picker. */
export function noteUse(slug) {
  const recent = [slug, ...recentSlugs().filter((other) => other !== slug)];
  try {
    localStorage.setItem(RECENT, JSON.stringify(recent.slice(0, MOST_RECENT)));
  } catch {
    // It is full, or not allowed.
  }
}

function recentSlugs() {
  try {
    const kept = JSON.parse(localStorage.getItem(RECENT) ?? "[]");
    return Array.isArray(kept) ? kept.filter((slug) => typeof slug === "string") : [];
  } catch {
    return [];
  }
}

/**
 * Let the user choose a model for a node of this class; `onpick` gets its slug. Where several `contenders` are asked it
 * stays open for all of them, and `onpick` gets their slugs each time.
 *
 * @param {{nodeClass: string | undefined, current: string, contenders?: string[] | null, onpick: (picked: any) => unknown}} choice
 */
export function openPicker(choice) {
  const picker = new Picker(choice);
  const stop = onModels(() => picker.listAnew());
  openDialog({
    title: t("picker.title"),
    className: "lumenfall-picker",
    render: (body, close) => picker.fill(body, close),
    onclose: stop,
  });
  // How models did in the user's own calls changes with each of them.
  loadModels();
}

class Picker {
  /** @type {() => void} */ close;
  /** @type {HTMLInputElement} */ search;
  /** @type {HTMLElement} */ rows;
  /** @type {HTMLElement} */ source;
  /** @type {HTMLButtonElement} */ refresh;
  /** The rows that can be picked. @type {HTMLElement[]} */ pickable;
  /** What the rows were made of. @type {string} */ listed;

  /** @param {Parameters<typeof openPicker>[0]} choice */
  constructor({ nodeClass, current, contenders, onpick }) {
    this.nodeClass = nodeClass;
    this.current = current;
    this.onpick = onpick;
    this.contenders = contenders ? new Contenders(contenders, (slug) => this.turnTo(slug), onpick) : null;
    this.filters = new Set();
    this.order = "recommended";
    this.active = 0;
  }

  fill(body, close) {
    this.close = close;
    this.search = element("input", {
      class: "lumenfall-field",
      type: "search",
      placeholder: t("picker.search"),
      "aria-label": t("picker.search"),
      "aria-controls": "lumenfall-models",
      autocomplete: "off",
      spellcheck: false,
      autofocus: true,
      oninput: () => this.list(),
      onkeydown: (event) => this.steer(event),
    });
    this.search.setAttribute("autofocus", "");
    this.rows = element("div", {
      id: "lumenfall-models",
      class: "lumenfall-models",
      role: "listbox",
      "aria-label": t("picker.title"),
      tabIndex: 0,
      onkeydown: (event) => this.steer(event),
    });
    this.source = element("span", { class: "lumenfall-muted", role: "status" });
    this.refresh = element("button", {
      class: "lumenfall-button",
      type: "button",
      text: t("picker.refresh"),
      onclick: () => this.reload(),
    });
    const chips = Object.keys(FILTERS).map((name) => this.chip(name));
    body.append(
      this.contenders?.root ?? "",
      this.search,
      element(
        "div",
        { class: "lumenfall-narrowing" },
        element("div", { class: "lumenfall-chips", role: "group", "aria-label": t("picker.filters") }, chips),
        this.orderMenu(),
      ),
      this.rows,
      element("footer", {}, this.source, this.refresh, this.contenders ? this.doneButton() : null),
    );
    this.list();
  }

  doneButton() {
    return element("button", {
      class: "lumenfall-button primary",
      type: "button",
      text: t("picker.done"),
      onclick: this.close,
    });
  }

  /** Choose in the place of another contender. */
  turnTo(slug) {
    this.current = slug;
    this.search.value = "";
    this.list();
    this.search.focus();
  }

  chip(name) {
    const chip = element("button", {
      class: "lumenfall-chip",
      type: "button",
      text: t(`picker.${name}`),
      "aria-pressed": "false",
    });
    chip.addEventListener("click", () => {
      if (!this.filters.delete(name)) this.filters.add(name);
      chip.setAttribute("aria-pressed", String(this.filters.has(name)));
      this.list();
    });
    return chip;
  }

  orderMenu() {
    const choices = Object.keys(ORDERS).map((name) => element("option", { value: name, text: t(`picker.by_${name}`) }));
    const menu = element("select", { class: "lumenfall-field", "aria-label": t("picker.order") }, choices);
    menu.addEventListener("change", () => {
      this.order = menu.value;
      this.list();
    });
    return menu;
  }

  async reload() {
    this.refresh.disabled = true;
    this.source.textContent = t("picker.refreshing");
    await loadModels(true);
    this.refresh.disabled = false;
  }

  /** The models that are asked for: usable ones first, and of them those used last. */
  found() {
    const words = this.search.value.trim();
    const { models, ended } = knownModels();
    // A model that is not offered any more is shown to whoever names it.
    const named = ended.filter((model) => words || findModel(this.current) === model);
    const matching = [...models, ...named].filter(
      (model) => isCalled(model, words) && [...this.filters].every((name) => FILTERS[name](model)),
    );
    const sorted = matching.sort(ORDERS[this.order]);
    const recent = recentSlugs();
    const usable = sorted.filter((model) => fits(model, this.nodeClass));
    const last =
      this.order === "recommended" ? recent.flatMap((slug) => usable.find((model) => model.id === slug) ?? []) : [];
    return {
      recent: last,
      usable: usable.filter((model) => !last.includes(model)),
      unusable: sorted.filter((model) => !fits(model, this.nodeClass)),
    };
  }

  list() {
    const found = this.found();
    const { recent, usable, unusable } = found;
    this.listed = JSON.stringify(found);
    const typed = this.search.value.trim();
    const isFound = recent.length + usable.length > 0;
    const isSlug = /^[!-~]+$/.test(typed) && (/[./-]/.test(typed) || !isFound) && findModel(typed)?.id !== typed;
    this.rows.replaceChildren(
      ...this.group(recent.length ? t("picker.recent") : null, this.rowsOf(recent)),
      ...this.group(recent.length && usable.length ? t("picker.others") : null, this.rowsOf(usable)),
      ...(isSlug ? [this.slugRow(typed, t("picker.useSlug", { slug: typed }), this.end(findModel(typed)))] : []),
      ...this.group(t("picker.unusable"), this.rowsOf(unusable)),
    );
    this.pickable = [.../** @type {NodeListOf<HTMLElement>} */ (this.rows.querySelectorAll("[data-slug]"))];
    // Whoever has typed a whole name means it, also where it is that of a snapshot, or of a model at one provider.
    const isWhole = typed.includes("/") || findModel(typed);
    const wanted = typed ? (isWhole ? typed : null) : this.current;
    const isWanted = ({ slug = "" }) => (wanted === null ? beginsWith(findModel(slug), typed) : slug === wanted);
    this.active = Math.max(0, this.pickable.findIndex((row) => isWanted(row.dataset)));
    if (!this.rows.children.length)
      this.rows.append(element("p", { class: "lumenfall-muted", text: t("picker.none") }));
    this.mark();
    this.tellSource();
  }

  /** The same with what is known by now; the row that Enter picks stays. */
  listAnew() {
    // A row that is just being pressed would miss its click.
    if (JSON.stringify(this.found()) === this.listed) return this.tellSource();
    const slug = this.pickable[this.active]?.dataset.slug;
    this.list();
    const again = this.pickable.findIndex((row) => row.dataset.slug === slug);
    if (again < 0) return;
    this.active = again;
    this.mark();
  }

  rowsOf(models) {
    return models.flatMap((model) => [this.row(model), ...this.successorRows(model)]);
  }

  /** What comes after a model that ends is picked in its place with one click. */
  successorRows(model) {
    if (!isEnding(model) || !fits(model, this.nodeClass)) return [];
    return model.successors.map((slug) => {
      const row = this.slugRow(slug, t("picker.instead", { model: nameOfSlug(slug) }));
      row.classList.add("lumenfall-successor");
      return row;
    });
  }

  group(name, rows) {
    return rows.length && name ? [element("h3", { text: name, role: "presentation" }), ...rows] : rows;
  }

  row(model) {
    const usable = fits(model, this.nodeClass);
    const abilities = Object.keys(FILTERS).filter((name) => name !== "several" && FILTERS[name](model));
    const facts = [makerOf(model.id), ...abilities.map((name) => t(`picker.${name}`))].filter(Boolean);
    if (model.max_images > 1) facts.push(t("picker.pictures", { count: model.max_images }));
    return element(
      "div",
      {
        class: "lumenfall-row",
        role: "option",
        "aria-selected": "false",
        "aria-disabled": String(!usable),
        dataset: usable ? { slug: model.id } : {},
        onclick: () => usable && this.pick(model.id),
      },
      element(
        "div",
        { class: "lumenfall-what" },
        element(
          "div",
          {},
          element("strong", { text: model.name }),
          element("code", { text: model.id }),
          model.id === this.current ? element("span", { class: "lumenfall-check", text: "\u2713" }) : null,
        ),
        element("div", { class: "lumenfall-muted", text: facts.join(" \u00b7 ") }),
        usable ? null : element("div", { class: "lumenfall-muted", text: this.reason() }),
        this.end(model),
      ),
      element(
        "div",
        { class: "lumenfall-worth" },
        element("div", { text: model.price === null ? t("picker.noPrice") : money(model.price, model.currency) }),
        element("div", {
          class: "lumenfall-muted",
          text: [
            model.figure ? t("picker.figure") : null,
            model.seconds ? t("picker.seconds", { count: Math.max(1, Math.round(model.seconds)) }) : null,
          ]
            .filter(Boolean)
            .join(" \u00b7 "),
        }),
        model.calls
          ? element("div", { class: "lumenfall-muted", text: t("picker.brought", { brought: model.brought, count: model.calls }) })
          : null,
      ),
    );
  }

  end(model) {
    if (!model?.ends) return null;
    const told = t(hasEnded(model) ? "picker.ended" : "picker.ends", { date: date(model.ends) });
    const text = [told, successorsOf(model)].filter(Boolean).join(" \u00b7 ");
    return element("div", { class: "lumenfall-ends", text });
  }

  reason() {
    const [mode] = knownModels().nodes[this.nodeClass ?? ""]?.modes ?? ["generate"];
    return t(`picker.cannot_${mode}`);
  }

  /** @param {string} slug @param {string} text @param {HTMLElement | null} [note] */
  slugRow(slug, text, note) {
    const properties = {
      class: "lumenfall-row",
      role: "option",
      "aria-selected": "false",
      dataset: { slug },
      onclick: () => this.pick(slug),
    };
    return element("div", properties, element("div", { class: "lumenfall-what" }, element("div", { text }), note));
  }

  steer(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (!(event.key in steps) && event.key !== "Enter") return;
    // Enter must not press the button that gets the focus back, either.
    event.preventDefault();
    if (event.key === "Enter") return this.pickable.length && this.pick(this.pickable[this.active].dataset.slug);
    this.active = Math.min(this.pickable.length - 1, Math.max(0, this.active + steps[event.key]));
    this.mark();
  }

  /** Show which row Enter picks. */
  mark() {
    /** @type {NodeListOf<HTMLElement>} */
    const rows = this.rows.querySelectorAll("[role=option]");
    for (const row of rows) {
      const active = row === this.pickable[this.active];
      row.setAttribute("aria-selected", String(active));
      row.removeAttribute("id");
      if (!active) continue;
      row.id = ACTIVE;
      // Once the dialog is shown: before, nothing scrolls.
      requestAnimationFrame(() => row.scrollIntoView({ block: "nearest" }));
    }
    for (const steered of [this.search, this.rows]) {
      // Set anew, since the same id is another row now.
      steered.removeAttribute("aria-activedescendant");
      if (this.pickable.length) steered.setAttribute("aria-activedescendant", ACTIVE);
    }
  }

  pick(slug) {
    if (this.contenders) return this.contenders.put(slug);
    this.close();
    this.onpick(slug);
  }

  tellSource() {
    const { source, fetched_at: moment, compiled, failure } = knownModels();
    const values = { date: compiled ? date(compiled) : "" };
    const where = moment ? t("picker.fetched", { when: ago(moment) }) : t(`picker.from_${source}`, values);
    this.source.textContent = [where, failure].filter(Boolean).join(" \u00b7 ");
    this.source.classList.toggle("lumenfall-error", Boolean(failure));
  }
}
