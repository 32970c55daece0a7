// What web/js uses of the frontend's api: events, and routes that answer what `answers` has for them; a function there
// gets the query.

export const answers = new Map();
export const asked = [];

class Api extends EventTarget {
  async queuePrompt() {
    return { prompt_id: "queued" };
  }

  async fetchApi(route) {
    asked.push(route);
    const [path, query] = route.split("?");
    const answer = answers.get(route) ?? answers.get(path);
    if (answer === undefined) return new Response("", { status: 404 });
    if (answer instanceof Response) return answer.clone();
    return Response.json(typeof answer === "function" ? answer(new URLSearchParams(query)) : answer);
  }
}

export const api = new Api();

/** An event as the server's. */
export function tell(event, detail = {}) {
  api.dispatchEvent(Object.assign(new Event(event), { detail }));
}
