"""What is to be mended in what a file holds, and the same content mended as far as that can be done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...graph.converting import GROUP_NODES, ONLY_DRAWN
from ...graph.fields import declared
from ...purchase.receipts import RECEIPTS, REDUCED, reduced
from .classes import is_core
from .file import SharedFile
from .findings import Finding
from .joined import joined_secrets
from .keys import CUT, is_secret, is_titled_secret, keys
from .models import SEVERAL, Living
from .names import cut_names, is_prefix, personal_names, portable
from .places import Definitions, Place, changed, places, texts_in, unlike
from .privacy import Match, name_in, owners, private_places, without

TRAVELS = frozenset(("example.png",))
"""What every ComfyUI has in its input folder."""

FILE = re.compile(
    r"\.(?:png|jpe?g|webp|gif|bmp|tiff?|exr|avif|mp4|webm|mov|mkv|wav|mp3|flac|ogg|m4a)(?: \[\w+\])?$", re.I
)
NOTES = frozenset(("Note", "MarkdownNote"))

ADVICE = {
    "key": "Take it out; if it was ever shared, revoke it.",
    "private_path": "Write the file's name alone.",
    "private_address": "Nobody else can reach it: take it out.",
}
SAID = {"key": "what looks like an API key", "private_path": "a private path", "private_address": "a private address"}


@dataclass
class Review:
    """One look at ``file``.

    ``table`` are the node classes that are known here, ``definitions`` their inputs; ``exported`` is the graph in API
    format, as far as that can be had; ``living`` are the models; ``without_key`` cuts the user's own key out of a text.
    """

    file: SharedFile
    table: Mapping[str, type[Any]]
    definitions: Definitions
    exported: Mapping[str, Any]
    living: Living
    without_key: Callable[[str], str]
    findings: list[Finding] = field(default_factory=list)

    def mended(self) -> dict[str, Any]:
        """The content, mended. Afterwards ``findings`` has what was there."""
        self._names = personal_names(owner for text in self._all_texts() for owner in owners(text))
        every = [place for document in self.file.content.values() for place in places(document, self.definitions)]
        self._subgraphs = set(self._subgraph_ids(self.file.content))
        self._secrets = set(joined_secrets(self.exported))
        # A value that a primitive or the node of a subgraph hands on stands there and not in the node.
        self._handed_on: dict[str, str] = {}
        self._whole: dict[int, dict[str, str]] = {}
        for place in places(dict(self.exported), self.definitions):
            self._handed_on.update(self._odd_values(place))
        for place in every:
            self._look(place)
        self._look_for_twins(every)
        self._ids = dict(self._new_ids(every))
        content = {name: self._receipts(name, document) for name, document in self.file.content.items()}
        content = changed(content, self.definitions, self._text)
        self._look_beside()
        return {name: self._without_odd_inputs(document) for name, document in content.items()}

    def _new_ids(self, every: list[Place]) -> Iterator[tuple[str, str]]:
        """New ids where those of nodes are no ids to share: each node keeps one of its own, and links lead to it."""
        ids = {place.id: self._clean(place.id) for place in every}
        taken = {old for old, new in ids.items() if old == new}
        for old, new in ids.items():
            if old != new:
                taken.add(new := unlike(new, taken))
                yield old, new

    def _clean(self, text: str) -> str:
        left = self.without_key(text)
        left = without(left, keys(left))
        return without(left, private_places(left))

    def _look_for_twins(self, every: list[Place]) -> None:
        """Of nodes with one id in one graph the browser renumbers some, and links may lead to the wrong one."""
        seen: set[tuple[int | None, str]] = set()
        for place in every:
            if (place.graph, place.id) in seen and place.is_drawn:
                message = f"the graph has more than one node {place.id}."
                self._add("duplicate_id", message, "Give each an id of its own.", place, fixable=False)
            seen.add((place.graph, place.id))
        for name in self.file.twins:
            message = f"the file has more than one {name}, of which only the last counts."
            self._add("duplicate_id", message, "A cleaned copy has that alone.", None)

    def _all_texts(self) -> Iterator[str]:
        yield from texts_in(self.file.content)
        yield from (text for _, text in self.file.remains)

    def _look_beside(self) -> None:
        """What only a picture has, and no copy of it."""
        for where, text in self.file.remains:
            self._without_keys(text, None, f"{where} has", "")
            for match in private_places(text):
                self._add(match.kind, f"{where} has {_said(match)}.", ADVICE[match.kind], None)
        for code, message in self.file.traits:
            self._add(code, f"{message}.", "A cleaned copy is without it.", None)

    def _look(self, place: Place) -> None:
        replaced = self._whole.setdefault(id(place.raw), {})
        self._unknown(place)
        self._pictures(place)
        replaced.update(self._odd_values(place))
        self._handed_on.update(replaced)
        self._odd_inputs(place)

    def _odd_values(self, place: Place) -> Iterator[tuple[str, str]]:
        """Values that are replaced as a whole, each with what comes in its place."""
        node_class = self.table.get(place.class_type)
        if node_class is not None and place.class_type.startswith("Lumenfall"):
            new = dict(place.values)
            for dead in self.living.dead(place.values, node_class):
                self._add(
                    "dead_model", f"the model {dead.slug} {dead.reason}.", f"The nearest is {dead.nearest}.", place
                )
                for name in ("model", "more_models"):
                    if isinstance(new.get(name), str):
                        new[name] = _in_place_of(new[name], dead.slug, dead.nearest)
            yield from ((place.values[name], new[name]) for name in new if new[name] != place.values[name])
        for name, value in place.values.items():
            if not isinstance(value, str):
                continue
            is_titled = place.class_type.startswith("Primitive") and is_titled_secret(place.title or "", value)
            if is_secret(name, value) or is_titled or value in self._secrets:
                self._add("key", f"{name} holds what may be a secret.", ADVICE["key"], place)
                yield value, CUT
            elif is_prefix(name):
                bare = name_in(value) if any(it.kind == "private_path" for it in private_places(value)) else value
                cut = cut_names(bare, self._names)
                if cut != bare:
                    self._add("personal_name", f"{name} has a personal name in it.", f"Write {cut!r}.", place)
                kept = portable(cut) if "prefix" in name.lower() else cut
                if kept != cut:
                    self._add("not_portable", f"{name} is no file's name on Windows.", f"Write {kept!r}.", place)
                if kept != bare:
                    yield value, kept

    def _odd_inputs(self, place: Place) -> None:
        if place.is_drawn or not (place.class_type.startswith("Lumenfall") and place.class_type in self.table):
            return
        known = declared(self.table[place.class_type])
        for name in place.raw["inputs"]:
            if name not in known:
                message = f"this version of the pack has no input {name} there."
                self._add("unknown_input", message, "Take it out: it is read by nobody.", place)

    def _text(self, place: Place | None, name: str, text: str) -> str:
        if text in self._ids:
            self._without_keys(text, place, "it has", "")
            return self._ids[text]
        if place is not None:
            whole = self._whole.get(id(place.raw), {})
            if place.class_type == "PrimitiveNode" or place.class_type in self._subgraphs:
                whole = {**self._handed_on, **whole}
            if text in whole:
                return whole[text]
        where = "" if place is None or not name or name == "widgets_values" else f" in {name}"
        if is_secret(name, text):
            self._add("key", f"{name} holds what may be a secret.", ADVICE["key"], place)
            return CUT
        text = self._without_keys(text, place, "it has", where)
        kept = []
        for match in private_places(text):
            is_all = match.start == 0 and match.end == len(text)
            instead = match.instead
            fixable = True
            if match.kind == "private_address":
                default = self._default(place, name, text) if is_all else None
                is_text = place is None or place.class_type in NOTES or name == "title" or not is_all
                fixable = default is not None or is_text
                instead = match.instead if default is None else default
            self._add(match.kind, f"it has {_said(match)}{where}.", ADVICE[match.kind], place, fixable=fixable)
            if fixable:
                kept.append(replace(match, instead=instead))
        return without(text, kept)

    def _without_keys(self, text: str, place: Place | None, begin: str, where: str) -> str:
        """``text`` without the user's own key, and what looks like anybody's."""
        left = self.without_key(text)
        if left != text:
            # Where it stands nobody needs to know.
            self._add("key", f"{begin} your own API key{where}.", ADVICE["key"], place)
        found = keys(left)
        for match in found:
            self._add("key", f"{begin} {_said(match)}{where}.", ADVICE["key"], place)
        return without(left, found)

    def _default(self, place: Place | None, name: str, text: str) -> str | None:
        node_class = None if place is None else self.table.get(place.class_type)
        if place is None or node_class is None:
            return None
        named = name if not place.is_drawn else next((key for key, value in place.values.items() if value == text), "")
        field_ = declared(node_class).get(named)
        return field_.default if field_ is not None and isinstance(field_.default, str) else None

    def _unknown(self, place: Place) -> None:
        kind = place.class_type
        is_known = kind in self.table or kind in ONLY_DRAWN or kind in self._subgraphs or is_core(kind)
        if is_known or place.pack == "comfy-core":
            return
        if kind.startswith(GROUP_NODES):
            advice = "Open the file in ComfyUI, where it becomes a subgraph, and save it anew."
            self._add("group_node", "it is a group node, which came before subgraphs.", advice, place, fixable=False)
        elif kind.startswith("Lumenfall"):
            advice = "Update the pack, or take the node out."
            self._add("unknown_node", "this version of the pack has no such node.", advice, place, fixable=False)
        else:
            pack = f" It comes from {place.pack}." if place.pack else ""
            advice = f"Say that the pack is needed{'' if place.pack else ', and which one'}, or take the node out."
            message = f"neither this pack nor ComfyUI has {kind}.{pack}"
            self._add("unknown_node", message, advice, place, fixable=False)

    def _pictures(self, place: Place) -> None:
        if not (place.runs and "load" in place.class_type.lower()):
            return
        for value in place.values.values():
            if isinstance(value, str) and FILE.search(value) and value not in TRAVELS and "\n" not in value:
                name = name_in(value) or value
                advice = "Send it along, or say what belongs there."
                self._add("picture_stays", f"{name} is not in the file.", advice, place, fixable=False)

    def _receipts(self, name: str, document: Any) -> Any:
        if name != RECEIPTS or not isinstance(document, Mapping):
            return document
        receipts = {
            node_id: [reduced(each) for each in paid if isinstance(each, Mapping)]
            for node_id, paid in document.items()
            if isinstance(paid, list)
        }
        if receipts != document:
            told = ", ".join(REDUCED)
            advice = f"A cleaned copy has {told} only; `receipts` in the settings does so for all pictures."
            self._add("receipt", "the picture's receipts name requests, provider and server.", advice, None)
        return receipts

    def _without_odd_inputs(self, document: Any) -> Any:
        """Inputs that the classes of this pack do not have: nobody reads them."""
        if isinstance(document, list):
            return [self._without_odd_inputs(value) for value in document]
        if not isinstance(document, Mapping):
            return document
        kind, inputs = document.get("class_type"), document.get("inputs")
        if (
            isinstance(kind, str)
            and kind.startswith("Lumenfall")
            and kind in self.table
            and isinstance(inputs, Mapping)
        ):
            known = declared(self.table[kind])
            return {**document, "inputs": {name: value for name, value in inputs.items() if name in known}}
        return {name: self._without_odd_inputs(value) for name, value in document.items()}

    def _subgraph_ids(self, content: Any) -> Iterator[str]:
        if isinstance(content, Mapping):
            for subgraph in content.get("subgraphs") or () if isinstance(content.get("subgraphs"), list) else ():
                if isinstance(subgraph, Mapping):
                    yield str(subgraph.get("id"))
            for value in content.values():
                yield from self._subgraph_ids(value)
        elif isinstance(content, list):
            for value in content:
                yield from self._subgraph_ids(value)

    def _add(self, code: str, message: str, advice: str, place: Place | None, *, fixable: bool = True) -> None:
        about = (None, None, None) if place is None else (place.id, place.title, place.class_type)
        self.findings.append(Finding(code, message, advice, fixable, *about))


def _said(match: Match) -> str:
    return f"{SAID[match.kind]}, {match.shown}"


def _in_place_of(text: str, slug: str, nearest: str) -> str:
    """``text``, a list of slugs, with one replaced by another, unless that is there too."""
    slugs = [part for part in SEVERAL.split(text) if part]
    if len(slugs) < 2:
        return text.replace(slug, nearest)
    if nearest in slugs:
        return "\n".join(part for part in slugs if part != slug)
    return re.sub(rf"(?<![^\s,;]){re.escape(slug)}(?![^\s,;])", lambda _: nearest, text)
