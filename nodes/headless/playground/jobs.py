"""The queue and the history as the one list that newer frontends ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .queue import Queue

STATES = ("pending", "in_progress", "completed", "failed", "cancelled")


def page(queue: Queue, query: Mapping[str, str]) -> dict[str, Any]:
    """The jobs that ``status``, ``workflow_id``, ``offset`` and ``limit`` of a query ask for, newest first."""
    wanted = [state for state in query.get("status", "").split(",") if state] or STATES
    workflow = query.get("workflow_id")
    found = [job for job in _all(queue) if job["status"] in wanted and workflow in (None, job.get("workflow_id"))]
    found.sort(key=_duration if query.get("sort_by") == "execution_duration" else _created)
    if query.get("sort_order") != "asc":
        found.reverse()
    offset = number(query, "offset", 0)
    limit = number(query, "limit", len(found))
    shown = found[offset : offset + limit]
    position = {"offset": offset, "limit": limit, "total": len(found), "has_more": offset + len(shown) < len(found)}
    return {"jobs": shown, "pagination": position}


def find(queue: Queue, prompt_id: str) -> dict[str, Any] | None:
    """One job with its graph and all that it gave."""
    job = next((job for job in _all(queue) if job["id"] == prompt_id), None)
    if job is None or prompt_id not in queue.history:
        return job
    entry = queue.history[prompt_id]
    workflow = {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]}
    return {**job, "outputs": entry["outputs"], "execution_status": entry["status"], "workflow": workflow}


def _all(queue: Queue) -> Iterator[dict[str, Any]]:
    for entry in queue.history.values():
        yield _finished(entry)
    if queue.running is not None:
        yield _job(queue.running.item, "in_progress")
    for job in queue.pending:
        yield _job(job.item, "pending")


def _finished(entry: Mapping[str, Any]) -> dict[str, Any]:
    told = dict(entry["status"]["messages"])
    state = "completed"
    if not entry["status"]["completed"]:
        state = "cancelled" if "execution_interrupted" in told else "failed"
    job = _job(entry["prompt"], state)
    job["execution_start_time"] = told["execution_start"]["timestamp"]
    job["execution_end_time"] = entry["status"]["messages"][-1][1]["timestamp"]
    if state == "failed":
        job["execution_error"] = told["execution_error"]
    pictures = [
        {**image, "nodeId": node_id, "mediaType": "images"}
        for node_id, shown in entry["outputs"].items()
        for image in shown.get("images", ())
    ]
    job["outputs_count"] = job["previewable_outputs_count"] = len(pictures)
    if pictures:
        job["preview_output"] = next((picture for picture in pictures if picture["type"] == "output"), pictures[0])
    return job


def _job(item: list[Any], state: str) -> dict[str, Any]:
    number, prompt_id, _, extra, _ = item
    job = {"id": prompt_id, "status": state, "priority": number, "create_time": extra["create_time"]}
    drawn = (extra.get("extra_pnginfo") or {}).get("workflow") or {}
    workflow = {"workflow_id": drawn["id"]} if drawn.get("id") else {}
    return {**job, "outputs_count": 0, "previewable_outputs_count": 0, **workflow}


def _created(job: Mapping[str, Any]) -> float:
    return float(job["create_time"])


def _duration(job: Mapping[str, Any]) -> float:
    return float(job.get("execution_end_time", 0) - job.get("execution_start_time", 0))


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """A count in a query, ``default`` where there is none."""
    text = query.get(name, "")
    return int(text) if text.isdecimal() else default
