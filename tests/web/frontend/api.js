// What web/js uses of the frontend's api: events, and routes that answer what `answers` has for them.

export const answers = new Map();

class Api extends EventTarget {
  async fetchApi(route) {
    if (!answers.has(route)) return new Response("", { status: 404 });
    return Response.json(answers.get(route));
  }
}

export const api = new Api();
