// What the extension says, in the language of the page. The texts are in locales/<language>/main.json.

import { fetchRoute, locale } from "./host/frontend.js";

/** @type {Record<string, Record<string, string>>} */
let texts = {};
let language = "en";

/** Fetch the texts, once, before anything is shown. */
export async function readTexts() {
  language = locale();
  try {
    const all = await (await fetchRoute("/i18n")).json();
    texts = { ...all.en?.lumenfall };
    for (const [section, own] of Object.entries(all[language]?.lumenfall ?? {})) {
      texts[section] = { ...texts[section], ...own };
    }
  } catch (error) {
    console.debug("Lumenfall: no texts", error);
  }
}

/** The text with the name `section.key`, its {placeholders} filled in; the name itself where there is no such text. */
export function t(name, values = {}) {
  const [section, key] = name.split(".");
  const text = texts[section]?.[key] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, word) => values[word] ?? whole);
}

/** An amount for people: as many decimals as it takes to tell prices of pictures apart. */
export function money(amount, currency = "USD") {
  const decimals = amount !== 0 && Math.abs(amount) < 1 ? 4 : 2;
  /** @type {Intl.NumberFormatOptions} */
  const format = {
    style: "currency",
    currency: currency || "USD",
    minimumFractionDigits: 2,
    maximumFractionDigits: decimals,
  };
  return new Intl.NumberFormat(language, format).format(amount);
}

/** What something would cost, as it stands beside it: never less than nothing known. */
export function worthText({ amount, currency, known, free }) {
  if (free) return t("node.free");
  if (!known && !amount) return t("node.unknownPrice");
  return (known ? "\u2248 " : "\u2265 ") + money(amount, currency);
}

/** How many of its pictures the store has; empty where none. */
export function replayText({ count, replayed }) {
  return replayed ? t("node.fromStore", { count, replayed }) : "";
}

/** A number as the page's language writes it. */
export function number(value, decimals) {
  return new Intl.NumberFormat(language, { maximumFractionDigits: decimals }).format(value);
}

/** A moment (seconds since 1970) as people say it: how long ago, or the date. */
export function ago(moment) {
  const seconds = moment - Date.now() / 1000;
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (seconds > -60) return relative.format(Math.min(0, Math.round(seconds)), "second");
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return relative.format(Math.round(seconds / 3600), "hour");
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(moment * 1000));
}

/** A day, given as YYYY-MM-DD, in the short form of the page's language. */
export function day(date) {
  return new Intl.DateTimeFormat(language, { day: "numeric", month: "short" }).format(new Date(`${date}T00:00:00`));
}

/** The same with its year. */
export function date(day) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(`${day}T00:00:00`));
}
