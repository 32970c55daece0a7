// Fields for amounts of money.

import { linesFrom } from "./amounts.js";
import { element } from "./element.js";
import { t } from "./text.js";

/** A field for an amount; empty is none. */
export function amountField(value) {
  return element("input", {
    class: "lumenfall-field",
    type: "number",
    min: 0,
    step: "any",
    placeholder: t("settings.none"),
    value: value ?? "",
  });
}

/** A field for amounts by name, a line each. */
export function amountsField(amounts, example) {
  const field = element("textarea", {
    class: "lumenfall-field",
    rows: 2,
    spellcheck: false,
    placeholder: example,
    value: linesFrom(amounts),
    oninput: () => field.setCustomValidity(""),
  });
  return field;
}

/** The amount in such a field; null where it is empty. */
export function amountIn(field) {
  return field.value.trim() === "" ? null : Number(field.value);
}
