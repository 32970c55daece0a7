"""What the graph on the canvas would cost."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..host import Host, Quiet, use
from ..pricing.estimate import estimate_graph
from ..purchase.session import Session
from .own_loop import aside


class Node(BaseModel):
    class_type: str
    inputs: dict[str, Any] = {}
    meta: dict[str, Any] = Field(default={}, alias="_meta")


class EstimateRequest(BaseModel):
    """The body of the request: a graph in API format."""

    model_config = ConfigDict(extra="forbid")

    prompt: dict[str, Node]


async def estimate(host: Host, asked: EstimateRequest) -> dict[str, Any]:
    """The estimate of a graph, see :meth:`..pricing.result.Estimate.as_dict`, and ``ask_above``: above which sum, in
    US dollars, the user wants to be asked before a run; None where never. Raises LumenfallError for settings that
    cannot be used.
    """
    prompt = {
        node_id: {"class_type": node.class_type, "inputs": node.inputs, "_meta": node.meta}
        for node_id, node in asked.prompt.items()
    }

    async def estimated() -> dict[str, Any]:
        most = Session(host).settings.ask_above
        return {**(await estimate_graph(prompt)).as_dict(), "ask_above": most}

    with use(Quiet(host, stoppable=False)):
        return await aside(estimated)
