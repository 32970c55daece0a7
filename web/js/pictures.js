// The pictures of runs and calls: where they come from, and what can be done with one.

import { addNode, bringIntoView, hasMaskEditor, middle, moveTo, paintMask, pictureSeen, placeBeside, selectNodes, sizeOf } from "./host/canvas.js";
import { holdChange, holdUntilTouched } from "./host/changes.js";
import { offerValue, setWidget } from "./host/graph.js";
import { leftFile, picture, told, uploadInput } from "./server.js";
import { t } from "./text.js";
import { showToast } from "./toast.js";

const SIDE = 1024; // pixels of what is looked at
const MOST = 60; // of those kept in memory
const KEPT = 60_000; // milliseconds until a download must have begun
const LOADER = "LoadImage";
const LOADED = ["image/png", "image/jpeg", "image/webp"]; // by every Load Image

/**
 * A picture: a file of the store, by its call and number, or one that a run has left for its page. `words` are what it was
 * made from, for its name.
 *
 * @typedef {{call?: string, number?: number, extension?: string, file?: string, words?: string}} Picture
 */

/** @type {Map<string, Promise<string>>} */
const urls = new Map();

/** An address under which the picture can be looked at, not as large as it is. Throws ServerError. @param {Picture} shown */
export function addressOf({ call, number, file = "" }) {
  return keptUrl(`${call ?? ""}/${number ?? file}`, () => (call ? picture(call, number, SIDE) : leftFile(file, true)));
}

/** The same of a small file that a run has left. Throws ServerError. */
export function addressOfFile(name) {
  return keptUrl(name, () => leftFile(name));
}

function keptUrl(key, get) {
  const url = urls.get(key) ?? get().then((blob) => URL.createObjectURL(blob));
  urls.delete(key);
  urls.set(key, url);
  url.catch(() => urls.delete(key));
  const [oldest] = urls.keys();
  if (urls.size > MOST) {
    // Whoever shows it goes on showing it.
    urls.get(oldest)?.then(URL.revokeObjectURL, () => {});
    urls.delete(oldest);
  }
  return url;
}

/** The file itself. Throws ServerError. @param {Picture} shown */
function fileOf({ call, number, file = "" }) {
  return call ? picture(call, number) : leftFile(file);
}

/** @param {Picture} shown */
function nameOf({ call, number, extension = ".png", file = "", words = "" }) {
  const told = words.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const start = told.join("-").slice(0, 40).replace(/-$/, "") || "lumenfall";
  const id = (call ?? file).slice(0, 8);
  return `${start}-${id}${call ? `-${number}` : ""}${extension}`;
}

/**
 * What can be done with a picture, each as {name, icon, run}, in the order in which it is offered; `near` is the node beside
 * which it is put, where it comes from one. `leave` is called before anything is done that is seen on the canvas.
 *
 * @param {Picture} shown
 * @param {{near?: any, leave?: () => void}} [place]
 */
export function actionsOn(shown, { near, leave } = {}) {
  const onCanvas = (act) => () => {
    leave?.();
    return act(shown, near);
  };
  const actions = [
    { name: "use", icon: "pi-sign-in", run: onCanvas(putInput) },
    { name: "download", icon: "pi-download", run: () => download(shown) },
    { name: "copy", icon: "pi-copy", run: () => copy(shown) },
  ];
  const mask = { name: "paint", icon: "pi-pencil", run: onCanvas(paintOn) };
  return hasMaskEditor() ? [...actions.slice(0, 2), mask, ...actions.slice(2)] : actions;
}

/** A Load Image with the picture, selected: one step of undo. Null where it cannot be. */
async function putInput(shown, near) {
  const file = await fileOf(shown);
  const isLoaded = LOADED.includes(file.type);
  const name = isLoaded ? nameOf(shown) : nameOf({ ...shown, extension: ".png" });
  const image = await uploadInput(isLoaded ? file : await asPng(file), name);
  holdChange()(); // what was changed before stays a step of its own
  const done = holdUntilTouched();
  try {
    const node = addNode(LOADER);
    if (!node) return null;
    const isBeside = near?.graph && near.graph === node.graph;
    moveTo(node, isBeside ? placeBeside(near, sizeOf(node)) : middle());
    offerValue(node, "image", image);
    setWidget(node, "image", image);
    selectNodes([node]);
    bringIntoView(node);
    // The node grows when it has its picture, which is no further step.
    await pictureSeen(node);
    return node;
  } finally {
    done();
  }
}

async function paintOn(shown, near) {
  const node = await putInput(shown, near);
  if (node) await paintMask(node);
}

async function download(shown) {
  const url = URL.createObjectURL(await fileOf(shown));
  Object.assign(document.createElement("a"), { href: url, download: nameOf(shown) }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT);
}

async function copy(shown) {
  // A promise: what is fetched first takes longer than the press of a button counts.
  const content = fileOf(shown).then((file) => (file.type === "image/png" ? file : asPng(file)));
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": content })]);
    return true;
  } catch {
    await content;
    // Only pages over https, or of this machine, may, and only where the user lets them.
    return void showToast({ kind: "warning", key: "copy", title: t("picture.notCopied"), text: t("picture.copyHint"), seconds: 12 });
  }
}

/** @param {Blob} file */
async function asPng(file) {
  const bitmap = await createImageBitmap(file);
  const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return /** @type {Promise<Blob>} */ (
    new Promise((done, fail) => canvas.toBlob((png) => (png ? done(png) : fail(new Error("PNG"))), "image/png"))
  );
}

/** Do it, and say what keeps it from being done. */
export async function attempt(run) {
  try {
    return await run();
  } catch (error) {
    showToast({ kind: "error", key: "picture", title: t("picture.failed"), text: told(error), seconds: 12 });
  }
}
