// What web/js uses of the frontend's api: events, routes that answer what `answers` has for them, and what was sent.

export const answers = new Map();

class Api extends EventTarget {
  sent = [];

  async fetchApi(route, { body } = {}) {
    if (!answers.has(route)) return new Response("", { status: 404 });
    const answer = answers.get(route);
    return Response.json(typeof answer === "function" ? answer(JSON.parse(body)) : answer);
  }

  async queuePrompt(number, { output }) {
    this.sent.push(output);
    return { prompt_id: `${this.sent.length}` };
  }
}

export const api = new Api();
