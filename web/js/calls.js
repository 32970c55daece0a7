// The calls of the past, page by page, as far as they have been fetched.

import { get } from "./server.js";

const PAGE = 30;
const LARGE = 100; // what is between the newest page and what is known
const MOST = 10; // large pages: after that, what is known is let go

/** Those that hold each word of `search`, by their ids in `known`; `more` tells whether there are older ones. */
export class Calls {
  constructor(search = "") {
    this.search = search;
    this.known = new Map();
    this.more = true;
    /** When each of those in the air was sent. @type {Map<string, number>} */
    this.running = new Map();
  }

  /** A page as /calls gives it: the newest, or what is older than the call `before`. Throws ServerError. */
  page(before = "", limit = PAGE) {
    const asked = { limit: String(limit), search: this.search, before };
    const given = Object.entries(asked).filter(([, value]) => value);
    return get(`/calls?${new URLSearchParams(given)}`);
  }

  /**
   * Take the newest page, and fetch on until it meets what is known and has brought what was in the air. Whether there
   * is anything new. Throws ServerError.
   */
  async take(newest) {
    const before = new Set(this.known.keys());
    const landed = [...this.running].filter(([id]) => !newest.running.some((call) => call.id === id));
    let { calls, more } = newest;
    // Entered in one go: what was fetched in part would look as if it met what is known.
    const fetched = [...calls];
    const isOlder = ([id, sentAt]) => !before.has(id) && sentAt < fetched.at(-1).sent_at;
    for (let pages = 0; before.size && more; pages++) {
      if (fetched.some((call) => before.has(call.id)) && !landed.some(isOlder)) break;
      if (pages === MOST) {
        this.known.clear();
        break;
      }
      ({ calls, more } = await this.page(fetched.at(-1).id, LARGE));
      fetched.push(...calls);
    }
    // What is known may have been let go, or have been passed.
    if (!this.known.size || (calls.length && !before.has(calls.at(-1).id))) this.end(calls, more);
    this.add(fetched);
    this.running = new Map(newest.running.map((call) => [call.id, call.sent_at]));
    return fetched.some((call) => !before.has(call.id));
  }

  /** Throws ServerError. */
  async loadOlder() {
    if (!this.more || !this.oldest) return;
    const { calls, more } = await this.page(this.oldest);
    this.add(calls);
    this.end(calls, more);
  }

  add(calls) {
    for (const call of calls) this.known.set(call.id, call);
  }

  end(calls, more) {
    this.oldest = calls.at(-1)?.id ?? this.oldest;
    this.more = more;
  }
}
