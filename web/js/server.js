// The pack's own routes. Each request carries a header of its own: no other page can send it unasked.

import { fetchRoute } from "./host/frontend.js";
import { t } from "./text.js";

const PREFIX = "/lumenfall";
const HEADERS = { "X-Lumenfall": "1" };

/** What a route, or the way to it, refused. `code` is stable, `message` and `hint` are for people. */
export class ServerError extends Error {
  constructor({ code = "UNREACHABLE", message = "", hint = "" } = {}) {
    super(message);
    this.name = "ServerError";
    this.code = code;
    this.hint = hint;
  }
}

/** All that an error says, as one text: what happened, and what to change. */
export function told({ message, hint }) {
  return [message, hint].filter(Boolean).join(" ");
}

/** The JSON at a route. Throws ServerError. */
export async function get(path) {
  return json(await answer(path, { headers: HEADERS, cache: "no-store" }));
}

/** Send `body` as JSON; the JSON that came back. Throws ServerError. */
export async function post(path, body) {
  const headers = { ...HEADERS, "Content-Type": "application/json" };
  return json(await answer(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** @param {Response} response */
async function json(response) {
  try {
    return await response.json();
  } catch {
    // A page to log in, where one stands in front of ComfyUI.
    throw new ServerError({ code: "NOT_JSON", message: t("errors.notJson") });
  }
}

/**
 * Give a call up, of which nobody knows what became, so that an equal request may be sent. What became of it; `given_up`
 * is false where the server knew better. Throws ServerError.
 */
export function giveUp(callId) {
  return post(`/calls/${callId}/give-up`, {});
}

/** A picture of the store as a blob; with `side` a thumbnail of at most so many pixels. Throws ServerError. */
export async function picture(callId, number, side) {
  const query = side ? `?side=${side}` : "";
  return (await answer(`/calls/${callId}/pictures/${number}${query}`, { headers: HEADERS })).blob();
}

/** What a run has left for its page, by its name, as a blob; a picture to be looked at where it is `large`. */
export async function leftFile(name, isLarge = false) {
  const query = new URLSearchParams({ filename: name, subfolder: "lumenfall", type: "temp" });
  if (isLarge) query.set("preview", "webp;90");
  return (await checked(() => fetchRoute(`/view?${query}`))).blob();
}

/** Put a picture into ComfyUI's folder of inputs; the name by which Load Image knows it. Throws ServerError. */
export async function uploadInput(blob, name) {
  const body = new FormData();
  body.append("image", blob, name);
  body.append("type", "input");
  const given = await (await checked(() => fetchRoute("/upload/image", { method: "POST", body }))).json();
  return given.subfolder ? `${given.subfolder}/${given.name}` : given.name;
}

function answer(path, options) {
  return checked(() => fetchRoute(PREFIX + path, options));
}

/** What `ask` gets, where that is no refusal. Throws ServerError. */
async function checked(ask) {
  let response;
  try {
    response = await ask();
  } catch (error) {
    throw new ServerError({ message: String(error?.message ?? error) });
  }
  if (response.ok) return response;
  let refusal = null;
  try {
    refusal = (await response.json()).error;
  } catch {
    // Not from our routes: a proxy's page, or a host without them.
  }
  throw new ServerError(
    refusal ?? { code: `HTTP_${response.status}`, message: `${response.status} ${response.statusText}` },
  );
}
