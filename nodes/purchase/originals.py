"""The files of the store that a report names, as they came."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import InputError
from ..host import Host
from ..spend import LARGEST, Stored
from .delivery import PICTURE_LOST
from .session import Session

# All that is taken from a text that may be anybody's. A file of the store is called by the sum of its content, so that
# no name leads to another file.
_NAME = re.compile(r"(?<![0-9a-f])([0-9a-f]{64})(\.[a-z]+)(?![a-z0-9])")


@dataclass(frozen=True)
class Original:
    """A file as it came, and its name below the pack's private folder."""

    name: str
    content: bytes


def originals(host: Host, text: str, extension: str) -> list[Original]:
    """The files with ``extension`` that ``text`` names, in its order, each once: a report's ``originals``, or a name
    alone. Blocks. Raises InputError for one that is gone or damaged.
    """
    files = Session(host).journal.files
    named = dict.fromkeys(sha256 for sha256, its_extension in _NAME.findall(text) if its_extension == extension)
    found = []
    for sha256 in named:
        stored = Stored(1, sha256, extension, LARGEST)
        name = files.name(stored)
        try:
            found.append(Original(name, files.get(stored)))
        except OSError as error:
            what = "gone" if isinstance(error, FileNotFoundError) else "damaged"
            raise InputError(
                f"The picture's file {name} is {what}.",
                code=PICTURE_LOST,
                hint="Recover Images, with the request id of the report, fetches it again where the server has it yet.",
            ) from error
    return found
