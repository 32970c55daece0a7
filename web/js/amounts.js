// The user's own figures by name, as a text with a line such as `provider/model 0.04` for each.

const LINE = /^([!-~]+?)[ \t=:]+(\d*\.?\d+)$/;

/** Amounts, given as {name: amount}, as such a text. */
export function linesFrom(amounts) {
  return Object.entries(amounts)
    .map(([name, amount]) => `${name} ${amount}`)
    .join("\n");
}

/** The first line that is no name with an amount; undefined where all are. */
export function wrongLine(text) {
  return linesOf(text).find((line) => !LINE.test(line));
}

function linesOf(text) {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

/** The lines as {name: amount}. */
export function amountsIn(text) {
  return Object.fromEntries(
    linesOf(text)
      .map((line) => line.match(LINE))
      .map(([, name, amount]) => [name, Number(amount)]),
  );
}

/** What takes the one set of amounts to the other; null removes one. */
export function changedAmounts(before, after) {
  const removed = Object.keys(before).filter((name) => !(name in after));
  const changed = Object.entries(after).filter(([name, amount]) => before[name] !== amount);
  return { ...Object.fromEntries(removed.map((name) => [name, null])), ...Object.fromEntries(changed) };
}
