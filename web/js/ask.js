// The question before a run that would cost more than the user wants to spend unasked: before anything is queued.

import { openDialog } from "./dialog.js";
import { element } from "./element.js";
import { estimateRuns, isPaidFor, latestThreshold, readThreshold, threshold } from "./estimate.js";
import { guardQueue, isOutput, stopRunningAlone } from "./host/frontend.js";
import { activeNodes, classOf, hasChance, valueOf, workflowId } from "./host/graph.js";
import { leadingTo, runningPart } from "./host/prompt.js";
import { changingOf, settledOf, stateOf } from "./host/states.js";
import { isOurs, isPaid, isPaidClass } from "./nodes.js";
import { money, t } from "./text.js";
import { showToast } from "./toast.js";
import { byList, table } from "./total.js";

const PATIENCE = 5000; // milliseconds that the server has to name the price
const QUIET = 700; // milliseconds of them before the user is told what is waited for
const MUTED = "Lumenfall.unaskedOn";

/** Ask before each run of this page that needs it. */
export function askBeforeRuns() {
  guardQueue(refusal, settledFor);
  // It may have been set in another tab or browser meanwhile.
  window.addEventListener("focus", readThreshold);
}

let lastAsked = Promise.resolve();
let refused = 0;

/**
 * Why a run is not queued; null where it is. The one place that decides it. One question after the other: what was waiting
 * behind one that was answered with no is not queued either.
 *
 * @param {import("./host/frontend.js").Run} run
 * @returns {Promise<string | null>}
 */
export async function refusal(run) {
  if ((await latestThreshold()) === null) return null;
  const before = refused;
  const asked = lastAsked.then(async () => (refused === before ? await decide(run) : t("ask.cancelled")));
  lastAsked = asked.then(
    () => {},
    () => {},
  );
  return asked;
}

/**
 * @param {import("./host/frontend.js").Run} run
 * @returns {Promise<string | null>}
 */
async function decide(run) {
  const { prompt, count, targets } = run;
  const asked = saidNow();
  let part;
  try {
    part = runningPart(await prompt(), targets);
  } catch {
    // ComfyUI meets the same, and says so.
    return null;
  }
  if (!isPaidFor(part) || isMuted()) return null;
  const question = new Question(part, count);
  const wait = setTimeout(() => question.open(), QUIET);
  const late = new Promise((done) => setTimeout(done, PATIENCE, new Error(t("ask.late"))));
  const told = await Promise.race([estimateRuns(part, count).catch((error) => error), late, question.answer]);
  clearTimeout(wait);
  if (typeof told !== "string" && asked !== saidNow()) {
    // Changed meanwhile: what would be queued is something else.
    question.close();
    return decide(run);
  }
  if (!(told instanceof Error || typeof told === "string") && isWithin(told)) {
    question.close();
    return null;
  }
  const shown = settled();
  const answer = typeof told === "string" ? told : await question.put(told);
  // Changed behind the question: it was about something else.
  if (answer !== CANCEL && shown !== settled()) return decide(run);
  if (answer === RUN_TODAY) mute();
  if (answer !== CANCEL) return null;
  refused += 1;
  const reason = t(stopRunningAlone() ? "ask.stopped" : "ask.cancelled");
  showToast({ title: "Lumenfall", text: reason, key: "ask", seconds: 6 });
  return reason;
}

/** What the paid nodes say now, and those before them. */
function paidFor() {
  const paid = [...activeNodes()].filter(({ node }) => isPaid(node));
  return JSON.stringify(paid.map(({ node, path, id }) => [id, stateOf(node, path)]));
}

function saidNow() {
  return paidFor() + settled();
}

/** What a run would ask now, but for what changes by itself. */
function settled() {
  const asked = [...activeNodes()].filter(({ node }) => isPaid(node) || isOutput(classOf(node) ?? ""));
  return JSON.stringify([workflowId(), asked.map(({ node, path, id }) => [id, settledOf(node, path)])]);
}

/**
 * The same, and what a prompt in API format asks: packs change what is queued, and send prompts of their own.
 *
 * @param {Record<string, any>} prompt
 * @param {string[]} [targets]
 */
function settledFor(prompt, targets) {
  const part = runningPart(prompt, targets);
  const asked = leadingTo(part, Object.keys(part).filter((id) => isPaidClass(part[id].class_type)));
  const places = new Map([...activeNodes()].map((place) => [place.id, { ...place, changing: changingOf(place.node, place.path) }]));
  const byChance = hasChance();
  const isSettled = (id, name, value) => {
    if (byChance && typeof value === "string" && name !== "model") return false;
    const place = places.get(id);
    return !place || !(place.changing.includes(name) || isMade(place, name, value));
  };
  const words = Object.entries(asked).map(([id, { class_type: name, inputs }]) => [
    id,
    name,
    Object.entries(inputs ?? {}).filter(([input, value]) => isSettled(id, input, value)),
  ]);
  return settled() + JSON.stringify(words);
}

/** Whether a value is made only when it is sent, as packs do it with a seed of chance or with the time. */
function isMade({ node, path }, name, value) {
  return (!isOurs(node) || name === "seed") && !Array.isArray(value) && valueOf(node, name, path) !== value;
}

/** Whether all of it is known to cost no more than the user lets go unasked; other currencies are not compared. */
function isWithin({ total, unknown, currency }) {
  const most = threshold();
  if (most === null) return true;
  return most !== undefined && !unknown && (total === 0 || (currency === "USD" && total <= most));
}

const [RUN_ONCE, RUN_TODAY, CANCEL] = ["run", "today", "cancel"];

class Question {
  constructor(part, count) {
    this.part = part;
    this.count = count;
    this.told = element("div", { role: "status" }, element("p", { class: "lumenfall-muted", text: t("total.asking") }));
    this.buttons = element("footer", {}, this.button("ask.cancel", CANCEL, { autofocus: true }));
    this.dialog = null;
    /** @type {Promise<string>} */
    this.answer = new Promise((resolve) => (this.resolve = resolve));
  }

  open() {
    this.dialog = openDialog({
      title: t("ask.title"),
      className: "lumenfall-estimate lumenfall-ask",
      render: (body) => body.append(this.told, this.buttons),
      onclose: () => this.resolve(CANCEL),
    });
  }

  button(text, answer, properties = {}) {
    const onclick = () => {
      this.resolve(answer);
      this.close();
    };
    return element("button", { class: "lumenfall-button", type: "button", text: t(text), onclick, ...properties });
  }

  /** Put what was found out; the answer. */
  put(told) {
    if (!this.dialog) this.open();
    const known = told instanceof Error ? byList(this.part, this.count) : told;
    this.told.replaceChildren(...this.words(told, known), table(known));
    this.buttons.prepend(
      this.button("ask.once", RUN_ONCE, { class: "lumenfall-button primary" }),
      this.button("ask.today", RUN_TODAY),
    );
    return this.answer;
  }

  words(told, { total, currency, unknown }) {
    const most = threshold();
    const sum = { amount: money(total, currency), count: this.count };
    const lines = [unknown && !total ? t("ask.noSum") : t(this.count > 1 ? "ask.sums" : "ask.sum", sum)];
    if (told instanceof Error) lines.push(t("ask.failed", { reason: told.message }));
    if (unknown && total) lines.push(t("ask.unknown", { count: unknown }));
    if (most !== null && most !== undefined) lines.push(t("ask.limit", { limit: money(most) }));
    return lines.map((text, index) => element("p", { class: index ? "lumenfall-muted" : "lumenfall-sum", text }));
  }

  close() {
    this.dialog?.close();
  }
}

/** Not asked again today, as long as the threshold is the same. */
function mute() {
  try {
    localStorage.setItem(MUTED, today());
  } catch {
    // A page without storage asks each time.
  }
}

function isMuted() {
  try {
    return localStorage.getItem(MUTED) === today();
  } catch {
    return false;
  }
}

function today() {
  return `${new Date().toDateString()} ${threshold()}`;
}
