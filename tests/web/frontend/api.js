// What web/js uses of the frontend's api: events, routes that answer what `answers` has for them (a function there gets the
// query, or the body of what is sent, and may answer later), which were asked, and what was queued.

export const answers = new Map();
export const asked = [];

class Api extends EventTarget {
  sent = [];

  async queuePrompt(number, { output } = {}) {
    this.sent.push(output);
    return { prompt_id: `${this.sent.length}` };
  }

  async fetchApi(route, { body } = {}) {
    asked.push(route);
    const [path, query] = route.split("?");
    const answer = answers.get(route) ?? answers.get(path);
    if (answer === undefined) return new Response("", { status: 404 });
    if (answer instanceof Response) return answer.clone();
    if (typeof answer !== "function") return Response.json(answer);
    return Response.json(await answer(body ? JSON.parse(body) : new URLSearchParams(query)));
  }
}

export const api = new Api();

/** An event as the server's. */
export function tell(event, detail = {}) {
  api.dispatchEvent(Object.assign(new Event(event), { detail }));
}
