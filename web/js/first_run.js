// What the sidebar says before anything was made: what to do, and the next step as a button.

import { element } from "./element.js";
import { runCommand } from "./host/frontend.js";
import { get } from "./server.js";
import { openSettings, settingsListeners } from "./settings.js";
import { t } from "./text.js";

const STEPS = ["sidebar.first_1", "sidebar.first_2", "sidebar.first_3"];

export class FirstRun {
  constructor() {
    this.button = element("button", { class: "lumenfall-button primary", type: "button", onclick: () => this.go() });
    const steps = STEPS.map((step) => element("p", { text: t(step) }));
    this.root = element("section", { class: "lumenfall-first", "aria-label": t("sidebar.first"), hidden: true });
    this.root.append(...steps, this.button);
    this.hasKey = false;
    this.hear = () => void this.ask();
    settingsListeners.add(this.hear);
  }

  destroy() {
    settingsListeners.delete(this.hear);
  }

  /** Show it, or do not. */
  async show(isFirst) {
    this.isFirst = isFirst;
    if (isFirst && this.root.hidden) await this.ask();
    // Something may have been made meanwhile.
    this.root.hidden = !this.isFirst;
  }

  async ask() {
    const { key } = await get("/settings").catch(() => ({ key: null }));
    this.hasKey = Boolean(key?.set);
    this.button.textContent = t(this.hasKey ? "sidebar.firstTemplate" : "sidebar.firstKey");
  }

  go() {
    if (this.hasKey) runCommand("Comfy.BrowseTemplates");
    else openSettings();
  }
}
