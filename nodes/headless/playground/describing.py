"""Routes that describe the nodes and the server."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import torch
from aiohttp import web

from ...table import NODE_CLASS_MAPPINGS
from ..core_nodes import TITLES
from .folders import PACK
from .messages import FEATURES
from .playground import Playground

COMFYUI = "0.33.0"
"""The ComfyUI whose routes and core nodes are followed here; the frontend compares versions with it."""


class Descriptions:
    def __init__(self, playground: Playground) -> None:
        self._playground = playground

    def install(self, table: web.RouteTableDef) -> None:
        table.get("/object_info")(self._all)
        table.get("/object_info/{name}")(self._one)
        table.get("/features")(self._features)
        table.get("/system_stats")(self._system)

    async def _all(self, request: web.Request) -> web.Response:
        return web.json_response({name: describe(name, node) for name, node in self._playground.nodes.items()})

    async def _one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        node = self._playground.nodes.get(name)
        return web.json_response({} if node is None else {name: describe(name, node)})

    async def _features(self, request: web.Request) -> web.Response:
        return web.json_response(FEATURES)

    async def _system(self, request: web.Request) -> web.Response:
        system = {
            "os": sys.platform,
            "ram_total": 0,
            "ram_free": 0,
            "comfyui_version": COMFYUI,
            "python_version": platform.python_version(),
            "pytorch_version": torch.__version__,
            "embedded_python": False,
            "argv": [os.path.basename(sys.argv[0])],
        }
        memory = {name: 0 for name in ("vram_total", "vram_free", "torch_vram_total", "torch_vram_free")}
        device = {"name": "cpu", "type": "cpu", "index": 0, **memory}
        return web.json_response({"system": system, "devices": [device]})


def describe(name: str, node: type[Any]) -> dict[str, Any]:
    """A node class of the V1 contract as the frontend wants it."""
    # What the browser grows or changes as it is used is declared otherwise there than in a graph in API format.
    inputs = getattr(node, "BROWSER_INPUT_TYPES", node.INPUT_TYPES)()
    about = {
        "input": inputs,
        "input_order": {group: list(names) for group, names in inputs.items()},
        "is_input_list": getattr(node, "INPUT_IS_LIST", False),
        "output": node.RETURN_TYPES,
        "output_is_list": getattr(node, "OUTPUT_IS_LIST", [False] * len(node.RETURN_TYPES)),
        "output_name": getattr(node, "RETURN_NAMES", node.RETURN_TYPES),
        "name": name,
        "display_name": TITLES.get(name, name),
        "description": getattr(node, "DESCRIPTION", ""),
        "python_module": f"custom_nodes.{PACK}" if name in NODE_CLASS_MAPPINGS else "nodes",
        "category": getattr(node, "CATEGORY", "sd"),
        "output_node": getattr(node, "OUTPUT_NODE", False) is True,
        "has_intermediate_output": getattr(node, "HAS_INTERMEDIATE_OUTPUT", False) is True,
        "search_aliases": getattr(node, "SEARCH_ALIASES", []),
    }
    if hasattr(node, "OUTPUT_TOOLTIPS"):
        about["output_tooltips"] = node.OUTPUT_TOOLTIPS
    for attribute in ("DEPRECATED", "EXPERIMENTAL"):
        if getattr(node, attribute, False):
            about[attribute.lower()] = True
    return about
