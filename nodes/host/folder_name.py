"""What ComfyUI can give to the browser of a pack, by the name of the pack's folder. The nodes run under any name."""

from __future__ import annotations

from urllib.parse import quote


def hidden_by(name: str) -> str | None:
    """What the browser does not get of a pack in a folder called ``name``, for a sentence; None where it gets all."""
    # ComfyUI serves each folder by aiohttp's static routes, which quote their prefix, and look for it where none is.
    if quote(name, safe="!$&'()*+,:;=@") != name:
        return "prices, sidebar, settings, templates or help pages"
    # The frontend takes a node's module up to the next dot, or up to an @, for the folder of its help page.
    return "help pages" if "." in name or "@" in name else None
