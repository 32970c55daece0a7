// The user's own prices, as a text with a line such as `provider/model 0.04` for each.

const PRICE = /^([!-~]+)[ \t=:]+(\d*\.?\d+)$/;

/** Prices, given as {slug: price}, as such a text. */
export function linesFrom(prices) {
  return Object.entries(prices)
    .map(([slug, price]) => `${slug} ${price}`)
    .join("\n");
}

/** The first line that is no slug with an amount; undefined where all are. */
export function wrongLine(text) {
  return linesOf(text).find((line) => !PRICE.test(line));
}

function linesOf(text) {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

/** The lines as {slug: price}. */
export function pricesIn(text) {
  return Object.fromEntries(
    linesOf(text)
      .map((line) => line.match(PRICE))
      .map(([, slug, price]) => [slug, Number(price)]),
  );
}

/** What takes the one set of prices to the other; null removes a price. */
export function changedPrices(before, after) {
  const removed = Object.keys(before).filter((slug) => !(slug in after));
  const changed = Object.entries(after).filter(([slug, price]) => before[slug] !== price);
  return { ...Object.fromEntries(removed.map((slug) => [slug, null])), ...Object.fromEntries(changed) };
}
