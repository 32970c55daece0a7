// The sidebar tab: what was spent, what runs, what was made.

import { spendChart } from "./chart.js";
import { element } from "./element.js";
import { History } from "./history.js";
import { addSidebarTab, listen } from "./host/frontend.js";
import { running, stopRuns } from "./host/queue.js";
import { takeDrops } from "./restore.js";
import { get } from "./server.js";
import { openSettings } from "./settings.js";
import { money, t } from "./text.js";

const EVENTS = ["execution_start", "executed", "execution_success", "execution_error", "execution_interrupted"];
const POLL = 2000; // milliseconds, while something runs

/** @type {Panel | null} */
let panel = null;

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
    },
    destroy() {
      panel?.destroy();
      panel = null;
    },
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
      "aria-live": "polite",
    });
    this.history = new History();
    this.trouble = element("p", { class: "lumenfall-error", role: "alert", hidden: true });
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
      this.money,
      this.balance,
      this.running,
      this.history.root,
    );
    root.append(this.root);
    this.deaf = EVENTS.map((event) => listen(event, () => this.refreshSoon()));
    this.ticking = setInterval(() => this.tick(), 1000);
    this.refresh(true);
  }

  destroy() {
    this.gone = true;
    for (const stop of this.deaf) stop();
    clearInterval(this.ticking);
    clearTimeout(this.waiting);
    this.history.destroy();
    this.root.remove();
  }

  refreshSoon(wait = 150) {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.refresh(), wait);
  }

  async refresh(withBalance = false) {
    if (withBalance) this.showBalance();
    try {
      const [spend, calls, runs] = await Promise.all([get("/spend"), get("/calls"), running()]);
      if (this.gone) return;
      this.trouble.hidden = true;
      this.showMoney(spend);
      this.showRunning(calls.running, runs);
      this.history.take(calls);
      // A run that has begun may not have sent its call yet; nothing tells when it does.
      if (calls.running.length || runs.size) this.refreshSoon(POLL);
    } catch (error) {
      this.complain(error);
    }
  }

  complain(error) {
    this.trouble.hidden = false;
    this.trouble.textContent = [error.message, error.hint].filter(Boolean).join(" ");
  }

  async showBalance() {
    const { amount, currency, reason } = await get("/balance").catch((error) => ({
      amount: null,
      reason: error.message,
    }));
    this.balance.textContent =
      amount === null ? t("sidebar.noBalance") : t("sidebar.balance", { amount: money(amount, currency) });
    this.balance.title = reason ?? "";
  }

  showMoney(spend) {
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

  showRunning(calls, runs) {
    this.running.hidden = !calls.length;
    this.running.replaceChildren(
      element("h3", { text: t("sidebar.running") }),
      ...calls.map((call) =>
        element(
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
          runs.has(call.run_id)
            ? this.cancelButton(call)
            : element("span", {
                class: "lumenfall-muted",
                text: t("sidebar.cominghome"),
                title: t("sidebar.cancelTold"),
              }),
        ),
      ),
    );
    this.tick();
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
      stopRuns([call.run_id]).catch((error) => this.complain(error));
    });
    return button;
  }

  tick() {
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
