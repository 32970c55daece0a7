// The sidebar tab: what was spent, what runs, what was made.

import { spendChart } from "./chart.js";
import { element } from "./element.js";
import { FirstRun } from "./first_run.js";
import { History } from "./history.js";
import { addSidebarTab, listen } from "./host/frontend.js";
import { stopRuns } from "./host/queue.js";
import { takeDrops } from "./restore.js";
import { get, told } from "./server.js";
import { openSettings, settingsListeners } from "./settings.js";
import { money, onLanguage, t } from "./text.js";
import { Turns } from "./turns.js";

const NEWS = ["lumenfall.progress", "lumenfall.error", "execution_success", "execution_error", "execution_interrupted"];
const SOON = 150; // milliseconds after news
const POLL = 2000; // while something of ours runs
const PATIENCE = 30_000; // between attempts, where the server does not answer

/** @type {Panel | null} */
let panel = null;
/** @type {HTMLElement} */
let place;

/** Add the tab. */
export function registerSidebar() {
  addSidebarTab({
    id: "lumenfall",
    icon: "pi pi-wallet",
    title: "Lumenfall",
    tooltip: t("sidebar.tooltip"),
    type: "custom",
    render(root) {
      panel?.destroy();
      panel = new Panel(root);
      place = root;
    },
    destroy() {
      panel?.destroy();
      panel = null;
    },
  });
  onLanguage(() => {
    if (!panel) return;
    panel.destroy();
    panel = new Panel(place);
  });
  takeDrops((id) => panel?.history.find(id));
}

class Panel {
  constructor(root) {
    const loading = element("p", { class: "lumenfall-muted", text: t("sidebar.loading") });
    this.money = element("section", { class: "lumenfall-money", "aria-label": t("sidebar.spent") }, loading);
    this.balance = element("span", { class: "lumenfall-muted" });
    this.running = element("section", {
      class: "lumenfall-running",
      "aria-label": t("sidebar.running"),
      hidden: true,
    });
    this.count = element("p", { class: "lumenfall-spoken", role: "status" });
    /** The calls that are shown as running. @type {Map<string, {entry: HTMLElement, stoppable: boolean}>} */
    this.entries = new Map();
    this.running.append(element("h3", { text: t("sidebar.running") }));
    this.history = new History(() => void this.refresh());
    this.first = new FirstRun();
    this.trouble = element("p", { class: "lumenfall-error", role: "alert", hidden: true });
    this.balances = new Turns();
    this.refreshes = new Turns();
    const reload = element("button", {
      class: "lumenfall-button",
      type: "button",
      text: t("sidebar.refresh"),
      onclick: () => this.refresh(true),
    });
    const configure = element("button", {
      class: "lumenfall-button",
      type: "button",
      text: t("sidebar.settings"),
      onclick: openSettings,
    });
    this.root = element(
      "div",
      { class: "lumenfall-sidebar" },
      element("header", {}, element("h2", { text: "Lumenfall" }), element("div", {}, reload, configure)),
      this.trouble,
      this.first.root,
      this.money,
      this.balance,
      this.count,
      this.running,
      this.history.root,
    );
    root.append(this.root);
    this.deaf = NEWS.map((event) => listen(event, () => this.hear(event)));
    this.deaf.push(listen("executed", ({ output }) => output?.lumenfall && this.hear("executed")));
    this.deaf.push(listen("reconnected", () => this.refreshIn(SOON)));
    // Other pages and the command line spend, too.
    const look = () => this.refreshIn(0);
    window.addEventListener("focus", look);
    this.deaf.push(() => window.removeEventListener("focus", look));
    // Limits are among them, and whose balance it is.
    const renew = () => void this.refresh(true);
    settingsListeners.add(renew);
    this.deaf.push(() => settingsListeners.delete(renew));
    this.ticking = setInterval(() => this.tick(), 1000);
    this.refresh(true);
  }

  destroy() {
    this.gone = true;
    for (const stop of this.deaf) stop();
    clearInterval(this.ticking);
    clearTimeout(this.waiting);
    this.history.destroy();
    this.first.destroy();
    this.root.remove();
  }

  /** A node of ours has said something, or a run has ended. */
  hear(event) {
    // Runs of others are no news, and a node that goes on saying how long it has waited is seen by the polls.
    const isOurs = !event.startsWith("execution_") || this.isBusy;
    if (isOurs && !(event === "lumenfall.progress" && this.entries.size)) this.refreshIn(SOON);
    if (event.startsWith("execution_")) this.isBusy = false;
    else this.isBusy = true;
  }

  /** Whatever comes first counts: news that keep coming must not put it off. */
  refreshIn(wait) {
    const due = Date.now() + wait;
    if (this.due && this.due <= due) return;
    clearTimeout(this.waiting);
    this.due = due;
    this.waiting = setTimeout(() => this.refresh(), wait);
  }

  async refresh(withBalance = false) {
    if (withBalance) this.showBalance();
    clearTimeout(this.waiting);
    this.due = 0;
    const isNewest = this.refreshes.next();
    try {
      const [spend, calls] = await Promise.all([get("/spend"), get("/calls")]);
      if (this.gone || !isNewest()) return;
      this.showMoney(spend);
      this.showRunning(calls.running);
      await this.history.take(calls);
      await this.showFirst(!calls.calls.length && !calls.running.length);
      this.trouble.hidden = true;
      this.failures = 0;
    } catch (error) {
      if (!isNewest()) return;
      this.failures = (this.failures ?? 0) + 1;
      this.complain(error);
    }
    if (this.gone) return;
    if (this.failures) this.refreshIn(Math.min(PATIENCE, POLL * 2 ** this.failures));
    else if (this.entries.size || this.isBusy) this.refreshIn(POLL);
  }

  /** Before anything was made there is nothing to count or to look for. */
  async showFirst(isFirst) {
    this.isFirst = isFirst;
    await this.first.show(isFirst);
    for (const part of [this.money, this.balance, this.history.root]) part.hidden = this.isFirst;
  }

  complain(error) {
    const text = told(error);
    // What is written anew is read out anew.
    if (this.trouble.textContent !== text) this.trouble.textContent = text;
    this.trouble.hidden = false;
  }

  async showBalance() {
    const isNewest = this.balances.next();
    const { amount, currency, reason } = await get("/balance").catch((error) => ({
      amount: null,
      reason: told(error),
    }));
    if (!isNewest()) return;
    this.balance.textContent =
      amount === null ? t("sidebar.noBalance") : t("sidebar.balance", { amount: money(amount, currency) });
    this.balance.title = reason ?? "";
  }

  showMoney(spend) {
    // The balance is what is left after what has been spent.
    if (this.spent !== undefined && this.spent !== spend.month) this.showBalance();
    this.spent = spend.month;
    const totals = ["today", "month"].map((name) =>
      total(t(`sidebar.${name}`), spend[name], spend.limits[name === "today" ? "day" : "month"], spend.currency),
    );
    const uncertain = spend.uncertain
      ? element("p", { class: "lumenfall-muted", text: t("sidebar.uncertain", { count: spend.uncertain }) })
      : null;
    this.money.replaceChildren(
      element("div", { class: "lumenfall-totals" }, totals),
      spendChart(spend),
      uncertain ?? "",
    );
  }

  /** What is shown stays as it is: its button may have the focus, or have been pressed. */
  showRunning(calls) {
    for (const [id, { entry, stoppable }] of this.entries) {
      if (calls.some((call) => call.id === id && call.stoppable === stoppable)) continue;
      entry.remove();
      this.entries.delete(id);
    }
    for (const call of calls) {
      if (this.entries.has(call.id)) continue;
      const entry = this.runningCall(call);
      this.entries.set(call.id, { entry, stoppable: call.stoppable });
      this.running.append(entry);
    }
    const count = calls.length ? `${t("sidebar.running")}: ${calls.length}` : "";
    if (this.count.textContent !== count) this.count.textContent = count;
    this.running.hidden = !calls.length;
    this.tick();
  }

  runningCall(call) {
    return element(
      "div",
      { class: "lumenfall-call" },
      element(
        "span",
        { class: "lumenfall-about" },
        element("span", { class: "lumenfall-words", text: call.prompt || call.node_title || call.model }),
        element(
          "span",
          { class: "lumenfall-muted" },
          `${call.model} \u00b7 `,
          element("time", { dataset: { since: call.sent_at } }),
        ),
      ),
      call.stoppable
        ? this.cancelButton(call)
        : element("span", {
            class: "lumenfall-muted",
            text: t("sidebar.cominghome"),
            title: t("sidebar.cancelTold"),
          }),
    );
  }

  cancelButton(call) {
    const button = element("button", {
      class: "lumenfall-button",
      type: "button",
      text: t("sidebar.cancel"),
      title: t("sidebar.cancelTold"),
    });
    button.addEventListener("click", () => {
      button.disabled = true;
      button.textContent = t("sidebar.cominghome");
      stopRuns([call.run_id]).catch((error) => {
        this.complain(error);
        button.disabled = false;
        button.textContent = t("sidebar.cancel");
      });
    });
    return button;
  }

  tick() {
    this.history.tick();
    // What was spent today is not what was spent yesterday.
    const day = new Date().toDateString();
    if (this.day && this.day !== day) this.refreshIn(0);
    this.day = day;
    for (const time of this.running.querySelectorAll("time")) {
      const seconds = Math.round(Date.now() / 1000 - Number(time.dataset.since));
      time.textContent = t("node.seconds", { count: Math.max(0, seconds) });
    }
  }
}

function total(name, amount, limit, currency) {
  const share = limit ? Math.min(1, amount / limit) : 1;
  return element(
    "div",
    { class: "lumenfall-sum" },
    element("span", { class: "lumenfall-muted", text: name }),
    element("strong", { text: money(amount, currency) }),
    limit === null
      ? element("small", { class: "lumenfall-muted", text: t("sidebar.noLimit") })
      : element(
          "div",
          {},
          element(
            "div",
            { class: share > 0.9 ? "lumenfall-meter full" : "lumenfall-meter" },
            element("div", { style: { width: `${share * 100}%` } }),
          ),
          element("small", {
            class: "lumenfall-muted",
            text: t("sidebar.ofLimit", { amount: money(limit, currency) }),
          }),
        ),
  );
}
