"""Lumenfall's unified image API, and any server that speaks OpenAI's."""

from .addresses import canonical, formerly_canonical, is_loopback, spellings
from .catalogue import Catalogue, Mode, Model, ModelList, bundled, ended, read_models
from .client import Client
from .credentials import (
    KnownKey,
    Server,
    base_url_source,
    configured_base_url,
    decided_by_environment,
    known_key,
    resolve_server,
    server_to_try,
    write_server,
)
from .destinations import LINK_PRIVATE
from .downloads import LINK_EXPIRED, LINK_REFUSED, Meter
from .exchange import Reply
from .flavours import OPENAI
from .formats import makes_vectors
from .memory import Share
from .metadata import request_id
from .refusals import error_for, is_doubtful, is_put_off, says_nothing_was_begun
from .request_log import CLOCK_TOLERANCE, Logged
from .requests import (
    Endpoint,
    ImageRequest,
    Otherwise,
    Question,
    WireRequest,
    form_fields,
    pictures_asked,
    write_request,
)
from .responses import Answer, Balance, DryRun, Picture, holds_pictures, read_answer
from .retirement import retirement_note, retirement_note_of_slug
from .uploads import recompress

__all__ = [
    "CLOCK_TOLERANCE",
    "LINK_EXPIRED",
    "LINK_PRIVATE",
    "LINK_REFUSED",
    "OPENAI",
    "Answer",
    "Balance",
    "Catalogue",
    "Client",
    "DryRun",
    "Endpoint",
    "ImageRequest",
    "KnownKey",
    "Logged",
    "Meter",
    "Mode",
    "Model",
    "ModelList",
    "Otherwise",
    "Picture",
    "Question",
    "Reply",
    "Server",
    "Share",
    "WireRequest",
    "base_url_source",
    "bundled",
    "canonical",
    "configured_base_url",
    "decided_by_environment",
    "ended",
    "error_for",
    "form_fields",
    "formerly_canonical",
    "holds_pictures",
    "is_doubtful",
    "is_loopback",
    "is_put_off",
    "known_key",
    "makes_vectors",
    "pictures_asked",
    "read_answer",
    "read_models",
    "recompress",
    "request_id",
    "resolve_server",
    "retirement_note",
    "retirement_note_of_slug",
    "says_nothing_was_begun",
    "server_to_try",
    "spellings",
    "write_request",
    "write_server",
]
