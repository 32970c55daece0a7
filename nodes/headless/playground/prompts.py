"""Routes for queueing a prompt, for stopping it, and for what became of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ..checks import Graph, build
from ..problems import NeedsComfyUI, Problem, WorkflowError
from ..reading import Prompt
from . import jobs
from .playground import Playground
from .queue import Job
from .run import Run

SIGNED_IN = ("auth_token_comfy_org", "api_key_comfy_org")
"""What the browser sends of an account at Comfy.org. Nothing here needs it, so it is not kept."""

EXPLAINED = frozenset(
    {
        "bad_linked_input",
        "dependency_cycle",
        "invalid_input_type",
        "required_input_missing",
        "return_type_mismatch",
        "value_bigger_than_max",
        "value_not_in_list",
        "value_smaller_than_min",
    }
)
"""What the frontend has sentences for. It calls any other type an error that it does not recognize."""


class Prompts:
    def __init__(self, playground: Playground) -> None:
        self._playground = playground
        self._queue = playground.queue
        self._number = 0

    def install(self, table: web.RouteTableDef) -> None:
        table.get("/ws")(self._websocket)
        table.post("/prompt")(self._post)
        table.get("/prompt")(self._info)
        table.get("/queue")(self._waiting)
        table.post("/queue")(self._change_queue)
        table.post("/interrupt")(self._interrupt)
        table.get("/history")(self._history)
        table.get("/history/{id}")(self._history_of)
        table.post("/history")(self._change_history)
        table.get("/jobs")(self._jobs)
        table.get("/jobs/{id}")(self._job)
        table.post("/jobs/{id}/cancel")(self._cancel)
        table.post("/jobs/cancel")(self._cancel)

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        return await self._playground.messages.serve(request, self._queue.greet)

    async def _post(self, request: web.Request) -> web.Response:
        """Queue a prompt, or answer 400 with ComfyUI's ``error`` and ``node_errors``."""
        body = await read(request)
        try:
            prompt_id = _prompt_id(body)
            targets = body.get("partial_execution_targets")
            graph = await build(_prompt(body), self._playground.nodes, targets=targets)
        except NeedsComfyUI as error:
            return web.json_response({"error": _needs_comfyui(error, body), "node_errors": {}}, status=400)
        except WorkflowError as error:
            return web.json_response(_refusal(error), status=400)
        job = self._job_of(body, prompt_id, graph)
        self._queue.put(job)
        return web.json_response({"prompt_id": job.id, "number": job.number, "node_errors": {}})

    def _job_of(self, body: Mapping[str, Any], prompt_id: str, graph: Graph) -> Job:
        number = float(body.get("number", -self._number if body.get("front") else self._number))
        self._number += 1
        extra = {name: value for name, value in (body.get("extra_data") or {}).items() if name not in SIGNED_IN}
        if body.get("client_id"):
            extra["client_id"] = body["client_id"]
        texts = extra.get("extra_pnginfo") or {}
        run = Run(prompt_id, graph, extra.get("client_id"), texts, self._playground.messages)
        host = self._playground.host(prompt_id, run.show_progress, run.show_preview, run.show_failure)
        return Job(number, prompt_id, graph, extra, host, run)

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(self._queue.info)

    async def _waiting(self, request: web.Request) -> web.Response:
        running = [self._queue.running.item] if self._queue.running else []
        pending = [job.item for job in self._queue.pending]
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def _change_queue(self, request: web.Request) -> web.Response:
        body = await read(request)
        everything = [job.id for job in self._queue.pending] if body.get("clear") else []
        self._queue.remove([*everything, *body.get("delete", ())])
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        """Stop this prompt if it runs; without an id, or with a body that is no JSON, whatever runs."""
        try:
            body = await read(request)
        except web.HTTPBadRequest:
            body = {}
        self._queue.interrupt(body.get("prompt_id") or None)
        return web.Response()

    async def _history(self, request: web.Request) -> web.Response:
        entries = list(self._queue.history.items())
        most = jobs.number(request.query, "max_items", len(entries))
        start = jobs.number(request.query, "offset", max(0, len(entries) - most))
        return web.json_response(dict(entries[start : start + most]))

    async def _history_of(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["id"]
        found = self._queue.history.get(prompt_id)
        return web.json_response({} if found is None else {prompt_id: found})

    async def _change_history(self, request: web.Request) -> web.Response:
        body = await read(request)
        for prompt_id in list(self._queue.history) if body.get("clear") else body.get("delete", ()):
            self._queue.history.pop(prompt_id, None)
        return web.Response()

    async def _jobs(self, request: web.Request) -> web.Response:
        return web.json_response(jobs.page(self._queue, request.query))

    async def _job(self, request: web.Request) -> web.Response:
        found = jobs.find(self._queue, request.match_info["id"])
        if found is None:
            return web.json_response({"error": "Job not found"}, status=404)
        return web.json_response(found)

    async def _cancel(self, request: web.Request) -> web.Response:
        one = request.match_info.get("id")
        ids = [one] if one else (await read(request)).get("job_ids", [])
        stopped = [self._queue.remove([prompt_id]) > 0 or self._queue.interrupt(prompt_id) for prompt_id in ids]
        return web.json_response({"cancelled": any(stopped)})


async def read(request: web.Request) -> dict[str, Any]:
    """The JSON object in a body. Raises 400 for anything else."""
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body must be a JSON object.")
    return body


def _prompt(body: Mapping[str, Any]) -> Prompt:
    prompt = body.get("prompt")
    if not isinstance(prompt, dict):
        raise WorkflowError([Problem("no_prompt", "No prompt provided")])
    for node_id, node in prompt.items():
        if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
            raise WorkflowError([Problem("invalid_prompt", f"Node {node_id} needs a class_type and inputs")])
    # The frontend leaves the class out where it does not know the node.
    nameless = [node_id for node_id, node in prompt.items() if not isinstance(node.get("class_type"), str)]
    if nameless:
        raise NeedsComfyUI({node_id: _title(prompt[node_id]) or f"node {node_id}" for node_id in nameless})
    return prompt


def _title(node: Mapping[str, Any]) -> str | None:
    meta = node.get("_meta")
    return meta.get("title") if isinstance(meta, dict) else None


def _prompt_id(body: Mapping[str, Any]) -> str:
    wanted = body.get("prompt_id")
    if wanted is None:
        return str(uuid.uuid4())
    try:
        if str(uuid.UUID(wanted)) == wanted:
            return str(wanted)
    except (ValueError, AttributeError, TypeError):
        pass
    raise WorkflowError([Problem("invalid_prompt_id", "prompt_id must be a valid UUID")])


def _needs_comfyui(error: NeedsComfyUI, body: Mapping[str, Any]) -> dict[str, Any]:
    node_id, class_type = next(iter(error.unknown.items()))
    classes = ", ".join(sorted(set(error.unknown.values())))
    title = _title(body["prompt"][node_id]) or class_type
    return {
        "type": "missing_node_type",
        "message": "This playground knows the nodes of this pack and the core image nodes only; "
        f"open the workflow in ComfyUI for {classes}.",
        "details": ", ".join(f"Node ID '#{unknown}'" for unknown in error.unknown),
        "extra_info": {"node_id": node_id, "class_type": class_type, "node_title": title},
    }


def _refusal(error: WorkflowError) -> dict[str, Any]:
    """Problems of nodes by node; one of the whole graph takes the place of ComfyUI's general sentence."""
    node_errors: dict[str, dict[str, Any]] = {}
    for problem in error.problems:
        if problem.node_id is not None:
            empty: dict[str, Any] = {"errors": [], "dependent_outputs": [], "class_type": problem.class_type}
            node_errors.setdefault(problem.node_id, empty)["errors"].append(_node_error(problem))
    general = next((problem for problem in error.problems if problem.node_id is None), None)
    if general is not None:
        summary = {"type": general.code, "message": general.message, "details": ""}
    else:
        message = "Prompt outputs failed validation"
        details = "\n".join(map(str, error.problems))
        summary = {"type": "prompt_outputs_failed_validation", "message": message, "details": details}
    return {"error": {**summary, "extra_info": {}}, "node_errors": node_errors}


def _node_error(problem: Problem) -> dict[str, Any]:
    extra = {"input_name": problem.input} if problem.input else {}
    details = f"{problem.input} - {problem.message}" if problem.input else problem.message
    kind = problem.code if problem.code in EXPLAINED else "custom_validation_failed"
    if kind != problem.code:
        extra["code"] = problem.code.upper()
    return {"type": kind, "message": "Value not valid", "details": details, "extra_info": extra}
