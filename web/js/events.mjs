// What the nodes say while a graph runs, brought to their bars.

import { api } from "../../../scripts/api.js";
import { barOf } from "./bar.mjs";
import { nodeAt, slugsOf } from "./nodes.mjs";
import { noteUse } from "./picker.mjs";
import { t } from "./text.mjs";
import { showToast } from "./toast.mjs";

/** Listen to the host, once. */
export function listen() {
  api.addEventListener("lumenfall.progress", ({ detail }) => barOf(nodeAt(detail.node))?.progress(detail.text));
  api.addEventListener("lumenfall.error", ({ detail }) => fail(detail));
  api.addEventListener("executed", ({ detail }) => show(nodeAt(detail.node), detail.output));
}

function show(node, output) {
  const bar = barOf(node);
  const report = output?.lumenfall?.[0];
  const estimate = output?.lumenfall_estimate?.[0];
  if (bar && report) {
    bar.finish(report);
    for (const slug of slugsOf(node) ?? []) if (slug) noteUse(slug);
  } else if (bar && estimate) {
    bar.say(estimate.summary, "done");
  }
}

// The values of Charged in nodes/errors.py.
const CHARGED = { charged: "errors.charged", "not charged": "errors.notCharged", "may have been charged": "errors.maybeCharged" };

function fail({ node: id, error, link }) {
  const node = nodeAt(id);
  barOf(node)?.fail(error.message);
  showToast({
    kind: "error",
    key: error.request_id ?? `${id}`,
    title: node?.title ?? "Lumenfall",
    text: [error.message, error.hint].filter(Boolean).join(" "),
    facts: [error.code, t(CHARGED[error.charged]), error.request_id].filter(Boolean),
    link: link ? { href: link, text: t("errors.openRequest") } : null,
  });
}
