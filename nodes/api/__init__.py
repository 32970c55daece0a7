"""Lumenfall's unified image API, and any server that speaks OpenAI's."""

from .catalogue import Catalogue, Mode, Model, ModelList, bundled
from .client import Client
from .credentials import Server, configured_base_url, resolve_server
from .downloads import LINK_EXPIRED
from .exchange import Reply
from .flavours import is_loopback
from .refusals import error_for, request_id
from .request_log import Logged
from .requests import Endpoint, ImageRequest, WireRequest, write
from .responses import Answer, Balance, Estimate, Picture, read_answer

__all__ = [
    "LINK_EXPIRED",
    "Answer",
    "Balance",
    "Catalogue",
    "Client",
    "Endpoint",
    "Estimate",
    "ImageRequest",
    "Logged",
    "Mode",
    "Model",
    "ModelList",
    "Picture",
    "Reply",
    "Server",
    "WireRequest",
    "bundled",
    "configured_base_url",
    "error_for",
    "is_loopback",
    "read_answer",
    "request_id",
    "resolve_server",
    "write",
]
