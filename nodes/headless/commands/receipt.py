"""``lumenfall receipt``: what the pictures in a file cost, told by the file itself or by the store."""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import InputError, LumenfallError
from ...purchase.receipts import RECEIPTS, REDUCED
from ...purchase.session import Session
from ...spend import clock, with_picture
from ..host import Headless
from ..reading import read
from .printing import failing_in_words, one_line
from .store import everything, print_everything

MAX_FILE_BYTES = 512 * 2**20
MAX_RECEIPTS = 1000

Receipts = dict[str, list[dict[str, Any]]]


def receipt(
    file: Annotated[Path, typer.Argument(metavar="FILE.png", help="A saved picture.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Tell what a saved picture cost, and which request it came from."""
    with failing_in_words(as_json):
        digest = _digest(file)
        receipts = read_receipts(file)
        calls = []
        if not receipts:
            journal = Session(Headless()).journal
            calls = [everything(journal, call) for call in with_picture(journal, digest)]
        if not receipts and not calls:
            raise _nothing(file)
    is_reduced = any(one.keys() <= {*REDUCED} for paid in receipts.values() for one in paid)
    if as_json:
        told = {"file": str(file.resolve()), "receipts": receipts, "calls": calls, "reduced": is_reduced}
        print(json.dumps(told))
        return
    for node_id, paid in receipts.items():
        for number, one in enumerate(paid):
            typer.echo(("" if number else f"Node {one_line(node_id, 60)}\n") + _text(one))
    if is_reduced:
        typer.echo("Only model and cost: whoever saved it has set that, or cleaned it with lumenfall check --fix.")
    for call in calls:
        print_everything(call)


def _nothing(file: Path) -> InputError:
    hint = "Receipts are in PNG files as Save Image writes them; other programs may drop them."
    if _was_bought(file):
        hint = "Its graph has nodes of this pack: receipts were switched off when it was saved, or taken out since."
    return InputError(f"{file.name} carries no receipt, and the store does not know it.", code="NO_RECEIPT", hint=hint)


def _was_bought(file: Path) -> bool:
    """Whether the picture carries a graph with a node of this pack."""
    try:
        prompt = read(file).prompt
    except LumenfallError:
        return False
    return any(node["class_type"].startswith("Lumenfall") for node in (prompt or {}).values())


def read_receipts(file: Path) -> Receipts:
    """The receipts in a PNG; none where it has none, is another kind of file, or is damaged. Reads no pixels."""
    from PIL.PngImagePlugin import PngImageFile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Image.open would refuse very large pictures, which is for those who decode them.
            with PngImageFile(file) as picture:
                text = picture.info.get(RECEIPTS)
        return _checked(json.loads(text, parse_constant=str)) if isinstance(text, str) else {}
    except Exception:
        # A file that somebody sent may be made to break any reader of it. Pillow bounds its texts.
        return {}


def _checked(content: Any) -> Receipts:
    """Only what has the shape of receipts."""
    if not isinstance(content, dict):
        return {}
    receipts = {
        str(node_id): [_flat(one) for one in paid[:MAX_RECEIPTS] if isinstance(one, dict)]
        for node_id, paid in list(content.items())[:MAX_RECEIPTS]
        if isinstance(paid, list)
    }
    return {node_id: paid for node_id, paid in receipts.items() if paid}


def _flat(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if not isinstance(value, (dict, list))}


def _digest(file: Path) -> str:
    """SHA-256 of the file's bytes, in hex. Raises InputError."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as content:
            size = 0
            while block := content.read(2**20):
                size += len(block)
                if size > MAX_FILE_BYTES:
                    raise InputError(f"{file.name} is larger than {MAX_FILE_BYTES // 2**20} MiB.")
                digest.update(block)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def _text(one: dict[str, Any]) -> str:
    """A receipt for people. Its values come from the file, so each is only as true as the file."""
    lines = []
    for name, value in one.items():
        if name == "sent_at" and isinstance(value, (int, float)):
            with contextlib.suppress(ValueError, OverflowError, OSError):
                value = clock(value)
        if value is not None:
            lines.append(f"  {one_line(name, 40):16}{one_line(value, 400)}")
    return "\n".join(lines)
