// What comes from outside, or from the user's hand, stops nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openDialog } from "../../web/js/dialog.js";
import { changed, onChange } from "../../web/js/host/changes.js";
import { findModel, loadModels } from "../../web/js/models.js";
import { openPicker } from "../../web/js/picker.js";
import { ago, date, day, money, onLanguage, readTexts, t } from "../../web/js/text.js";
import { View } from "../../web/js/view.js";
import { answers } from "./frontend/api.js";
import { app } from "./frontend/app.js";

test("amounts and days of any kind are written somehow", () => {
  assert.equal(money(0.04, "USD"), "$0.04");
  assert.equal(money(12.5, "CREDITS"), "12.5 CREDITS");
  assert.equal(day("soon"), "soon");
  assert.equal(date("soon"), "soon");
  assert.equal(ago(null), "");
});

test("the language of the page is followed, with its plurals, and an odd one is English", async () => {
  const texts = { pictures: { one: "{count} picture", other: "{count} pictures" }, plain: "plain" };
  const german = { pictures: { one: "{count} Bild", other: "{count} Bilder" } };
  answers.set("/i18n", { en: { lumenfall: { sidebar: texts } }, de: { lumenfall: { sidebar: german } }, fr: {} });
  await readTexts();
  assert.deepEqual([0, 1, 2].map((count) => t("sidebar.pictures", { count })), ["0 pictures", "1 picture", "2 pictures"]);
  const heard = [];
  onLanguage(() => heard.push(t("sidebar.pictures", { count: 1 })));
  const choose = (value) =>
    app.ui.settings.dispatchEvent(Object.assign(new Event("Comfy.Locale.change"), { detail: { value } }));
  choose("de");
  assert.equal(t("sidebar.plain"), "plain");
  assert.equal(money(0.5, "EUR"), "0,50\u00a0\u20ac");
  choose("no_such language");
  assert.deepEqual(heard, ["1 Bild", "1 picture"]);
  choose("en");
});

test("a dialog is closed by a click beside it, and by none that began inside", () => {
  let input;
  openDialog({ title: "a", render: (body) => body.append((input = document.createElement("input"))) });
  const dialog = input.closest("dialog");
  const press = (target) => target.dispatchEvent(new window.Event("pointerdown", { bubbles: true }));
  const click = () => dialog.dispatchEvent(new window.Event("click", { bubbles: true }));
  press(input);
  click();
  assert.ok(dialog.isConnected);
  press(dialog);
  click();
  assert.ok(!dialog.isConnected);
});

test("the row that is told as active is the one that Enter picks", async () => {
  const model = (id) => ({ id, name: id, aliases: [], modes: ["generate"], price: 1, currency: "USD", successors: [] });
  const models = ["a/1", "a/2", "a/3"].map(model);
  answers.set("/lumenfall/models", { models, ended: [], nodes: {}, source: "bundled", compiled: null, failure: null });
  await loadModels();
  let picked;
  openPicker({ nodeClass: "LumenfallGenerate", current: "a/1", onpick: (slug) => (picked = slug) });
  const search = document.querySelector("dialog input");
  const key = (name) => search.dispatchEvent(new window.KeyboardEvent("keydown", { key: name, bubbles: true }));
  key("ArrowDown");
  key("ArrowDown");
  const told = document.getElementById(search.getAttribute("aria-activedescendant"));
  assert.equal(told.dataset.slug, "a/3");
  assert.equal(document.querySelectorAll(`#${told.id}`).length, 1);
  key("Enter");
  assert.equal(picked, told.dataset.slug);
});

test("what is no list of models leaves the list as it was, and says so; an older list does not come back", async () => {
  const list = (id) => ({ models: [{ id, aliases: [], modes: [] }], ended: [], nodes: {} });
  answers.set("/lumenfall/models", list("a"));
  await loadModels();
  answers.set("/lumenfall/models", { status: "log in first" });
  assert.ok((await loadModels()).failure);
  assert.ok(findModel("a"));
  /** @type {(value: any) => void} */
  let late = () => {};
  answers.set("/lumenfall/models", () => new Promise((done) => (late = done)));
  const earlier = loadModels();
  answers.set("/lumenfall/models", list("b"));
  await loadModels();
  late(list("a"));
  await earlier;
  assert.ok(findModel("b") && !findModel("a"));
});

test("what one part of the page cannot show takes no other along", async (context) => {
  const told = context.mock.method(console, "error", () => {});
  const shown = new Promise((done) => {
    onChange(() => {
      throw new Error("a widget of others");
    });
    onChange(() => done("the price"));
  });
  changed();
  assert.equal(await shown, "the price");
  assert.equal(told.mock.callCount(), 1);
});

test("a mask that comes late is never laid over another picture", async () => {
  /** @type {(value: any) => void} */
  let late = () => {};
  const slow = new Promise((done) => (late = done));
  answers.set("/view", (query) => (query.get("filename") === "first-mask" ? slow : {}));
  const view = new View();
  view.isSeen = true;
  view.isMasked = true;
  view.show([
    { file: "first", mask: "first-mask", share: 0.1 },
    { file: "second", mask: "second-mask", share: 0.9 },
  ]);
  const seen = () => view.mask.style.getPropertyValue("--mask");
  const settled = () => new Promise((done) => setTimeout(done, 20));
  await settled();
  view.turnTo(1);
  await settled();
  const second = seen();
  assert.match(second, /blob:/);
  late({});
  await settled();
  assert.equal(seen(), second);
  view.turnTo(0);
  assert.equal(seen(), "");
});

test("a page in place of JSON is told as what it is, wherever it comes", async () => {
  answers.set("/lumenfall/models", new Response("<html>log in</html>", { headers: { "Content-Type": "text/html" } }));
  assert.equal((await loadModels()).failure, "errors.notJson");
  answers.set("/lumenfall/models", { status: "log in" });
  assert.equal((await loadModels()).failure, "errors.notJson");
});
