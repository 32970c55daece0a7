// What the extension says, in the language of the page. The texts are in locales/<language>/main.json.

import { fetchRoute, locale, onLocale } from "./host/frontend.js";

/** A text, or one for each plural that the language has, by the names of Intl.PluralRules. */
/** @typedef {string | Record<string, string>} Text */

/** @type {Record<string, Record<string, Record<string, Text>>>} */
let languages = {};
/** @type {Record<string, Record<string, Text>>} */
let texts = {};
let language = "en";
/** @type {Set<() => void>} */
const listeners = new Set();

/** Fetch the texts, before anything is shown, and follow the page's language from then on. */
export async function readTexts() {
  onLocale(speak);
  try {
    const all = await (await fetchRoute("/i18n")).json();
    languages = Object.fromEntries(Object.entries(all).map(([name, { lumenfall }]) => [name, lumenfall ?? {}]));
  } catch (error) {
    console.debug("Lumenfall: no texts", error);
  }
  speak(locale());
}

/** Call `listener` when the language has changed. Returns what ends that. */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function speak(chosen) {
  try {
    [language] = Intl.getCanonicalLocales(chosen);
  } catch {
    language = "en";
  }
  texts = { ...languages.en };
  for (const [section, own] of Object.entries(languages[chosen] ?? {})) texts[section] = { ...texts[section], ...own };
  for (const listener of listeners) listener();
}

/**
 * The text with the name `section.key`, its {placeholders} filled in, in the plural that suits `count`; the name itself
 * where there is no such text.
 */
export function t(name, values = {}) {
  const [section, key] = name.split(".");
  const found = texts[section]?.[key] ?? name;
  const text = typeof found === "string" ? found : (found[plural(values.count)] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (whole, word) => values[word] ?? whole);
}

function plural(count) {
  return new Intl.PluralRules(language).select(Number(count));
}

/** What came from outside, written by `write`; as it came where there is no way to write it. */
function written(write, asItCame) {
  try {
    return write();
  } catch {
    return asItCame();
  }
}

/** Made once for each language and format: to make one takes longer than all else that a price needs. */
const numberFormats = new Map();

/** @param {Intl.NumberFormatOptions} options @returns {Intl.NumberFormat} */
function numberFormat(options) {
  const key = JSON.stringify([language, options]);
  const made = numberFormats.get(key) ?? new Intl.NumberFormat(language, options);
  numberFormats.set(key, made);
  return made;
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
  // A server may count in what is no currency.
  return written(
    () => numberFormat(format).format(amount),
    () => `${number(amount, decimals)} ${currency}`,
  );
}

/** What something would cost, as it stands beside it: never less than nothing known. */
export function worthText({ amount, currency, known, free = false, refused = false }) {
  if (free) return t("node.free");
  if (refused) return t("node.refused");
  if (!known && !amount) return t("node.unknownPrice");
  return (known ? "\u2248 " : "\u2265 ") + money(amount, currency);
}

/** How many of its pictures the store has; empty where none. */
export function replayText({ count, replayed }) {
  return replayed ? t("node.fromStore", { count, replayed }) : "";
}

/** A number as the page's language writes it. */
export function number(value, decimals) {
  return numberFormat({ maximumFractionDigits: decimals }).format(value);
}

/** A part of a whole, from 0 to 1, in percent. */
export function percent(share) {
  return numberFormat({ style: "percent", maximumFractionDigits: share < 0.1 ? 1 : 0 }).format(share);
}

/** A moment (seconds since 1970) as people say it: how long ago, or the date. */
export function ago(moment) {
  if (!Number.isFinite(moment)) return "";
  const seconds = moment - Date.now() / 1000;
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (seconds > -60) return relative.format(Math.min(0, Math.round(seconds)), "second");
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return relative.format(Math.round(seconds / 3600), "hour");
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(moment * 1000));
}

/** A day, given as YYYY-MM-DD, in the short form of the page's language. */
export function day(date) {
  return dayAs({ day: "numeric", month: "short" }, date);
}

/** The same with its year. */
export function date(day) {
  return dayAs({ dateStyle: "medium" }, day);
}

/** @param {Intl.DateTimeFormatOptions} style */
function dayAs(style, date) {
  return written(() => new Intl.DateTimeFormat(language, style).format(new Date(`${date}T00:00:00`)), () => String(date));
}
