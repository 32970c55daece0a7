"""Lumenfall's unified image API, and any server that speaks OpenAI's."""

from .catalogue import Catalogue, Mode, Model, ModelList
from .client import Client, Reply
from .credentials import Server, configured_base_url, resolve_server
from .refusals import error_for
from .requests import ImageRequest, WireRequest, write
from .responses import Answer, Balance, Estimate, Picture, read_answer

__all__ = [
    "Answer",
    "Balance",
    "Catalogue",
    "Client",
    "Estimate",
    "ImageRequest",
    "Mode",
    "Model",
    "ModelList",
    "Picture",
    "Reply",
    "Server",
    "WireRequest",
    "configured_base_url",
    "error_for",
    "read_answer",
    "resolve_server",
    "write",
]
