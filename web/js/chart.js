// What was spent on each day, as bars.

import { element } from "./element.js";
import { day, money, t } from "./text.js";

const WIDTH = 300;
const HEIGHT = 56;
const GAP = 2;

/** The last days of /spend as an SVG; the limit per day is a dashed line where it fits in. */
export function spendChart({ days, currency, limits }) {
  const highest = Math.max(...days.map((one) => one.cost), 0);
  const limit = limits.day !== null && limits.day > 0 && limits.day <= 1.5 * highest ? limits.day : null;
  const top = Math.max(highest, limit ?? 0) || 1;
  const step = WIDTH / days.length;
  const sum = days.reduce((total, one) => total + one.cost, 0);
  const chart = svg("svg", {
    class: "lumenfall-chart",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": t("sidebar.chart", { count: days.length, amount: money(sum, currency) }),
  });
  days.forEach((one, place) => {
    const height = one.cost ? Math.max(2, (one.cost / top) * (HEIGHT - 2)) : 1;
    const bar = svg("rect", { x: place * step + GAP / 2, y: HEIGHT - height, width: step - GAP, height, rx: 1.5 });
    bar.classList.toggle("today", place === days.length - 1);
    bar.classList.toggle("empty", !one.cost);
    const told = svg("title", {});
    told.textContent = t("sidebar.dayTold", {
      day: day(one.date),
      amount: money(one.cost, currency),
      count: one.pictures,
    });
    bar.append(told);
    chart.append(bar);
  });
  if (limit !== null) {
    const y = HEIGHT - (limit / top) * (HEIGHT - 2);
    chart.append(svg("line", { x1: 0, x2: WIDTH, y1: y, y2: y, "stroke-dasharray": "4 3" }));
  }
  const caption = element(
    "figcaption",
    {},
    element("span", { text: day(days[0].date) }),
    element("span", { text: t("sidebar.today") }),
  );
  return element("figure", { class: "lumenfall-days" }, chart, caption);
}

function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
