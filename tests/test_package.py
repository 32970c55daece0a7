"""How the pack is put together and loaded."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nodes.dependencies import MINIMUMS

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "nodes").rglob("*.py"))

# Room -> rooms it may import from. Every room may use errors; a node file uses what shared modules offer.
ALLOWED = {
    "api": {"errors", "writing"},
    "pixels": {"errors"},
    "spend": {"errors", "writing"},
    "host": {"errors"},
    # The part of the host room that serves the browser.
    "host/routes": {"browser", "errors", "host"},
    "browser": {"api", "books", "contract", "errors", "estimate", "host", "resolution", "settings", "spend", "table"},
    "receive": {"api", "errors", "pixels", "spend"},
    "price": {"api", "errors"},
    "order": {"api", "pixels", "spend"},
    "purchase": {"api", "errors", "order", "price", "receive", "resolution", "settings", "spend"},
    "resolution": {"api", "errors", "receive", "spend"},
    "caller": {"host", "spend"},
    "books": {"dependencies", "host", "settings", "spend"},
    "courier": {"crew"},
    "crew": set(),
    "ending": {"courier"},
    "upkeep": {"api", "errors", "receive", "resolution", "spend"},
    "quoting": {"resolution", "api", "errors", "order", "price", "purchase", "receive", "spend"},
    "quote": {"errors", "host", "quoting"},
    "settings": {"errors", "writing"},
    "dependencies": {"errors"},
    "writing": set(),
}


def imported_rooms(path: Path) -> set[str]:
    """The parts of the pack that a file imports, at any place in it."""
    package = path.relative_to(ROOT / "nodes").parts[:-1]
    rooms = set()
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(statement, ast.ImportFrom) or not statement.level:
            continue
        base = package[: len(package) - statement.level + 1]
        names = [statement.module] if statement.module else [alias.name for alias in statement.names]
        rooms |= {(*base, *name.split("."))[0] for name in names}
    return rooms


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_rooms_import_only_what_they_may(path: Path) -> None:
    parts = path.relative_to(ROOT / "nodes").parts
    room = "host/routes" if parts[:2] == ("host", "routes") else parts[0].removesuffix(".py")
    rooms = imported_rooms(path) - {room}
    assert rooms <= ALLOWED.get(room, rooms)
    if room != "headless":
        assert "headless" not in rooms


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sources_are_short_and_readable_everywhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text.encode("cp1252")
    assert text.count("\n") < 400


def test_only_the_host_room_touches_comfyui() -> None:
    for path in SOURCES:
        for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in getattr(statement, "names", [])] if isinstance(statement, ast.Import) else []
            )
            if isinstance(statement, ast.ImportFrom) and not statement.level:
                names = [statement.module or ""]
            top = {name.partition(".")[0] for name in names}
            assert not top & {"comfy", "comfy_api", "comfy_execution", "folder_paths", "server", "execution"}, path


def test_comfyui_installs_what_the_package_needs() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"dependencies = {lines!s}".replace("'", '"') in pyproject
    assert lines == [f"{name}>={minimum}" for name, minimum in MINIMUMS.items()]


def test_the_wheel_holds_every_package() -> None:
    """setuptools cannot find packages that it is to rename, so they are listed by hand."""
    found = {path.parent.relative_to(ROOT / "nodes").parts for path in SOURCES if path.name == "__init__.py"}
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for parts in found:
        assert f'"{".".join(("lumenfall_nodes", *parts))}",' in pyproject


LOADER = """
import importlib.util, json, sys, threading
before = set(sys.modules)
spec = importlib.util.spec_from_file_location({name!r}, {path!r}, submodule_search_locations=[{folder!r}])
pack = importlib.util.module_from_spec(spec)
sys.modules[{name!r}] = pack
spec.loader.exec_module(pack)
pack.NODE_CLASS_MAPPINGS["LumenfallGenerate"].INPUT_TYPES()
heavy = (set(sys.modules) - before) & {{"aiohttp", "typer", "rich", "scipy"}}
print(json.dumps([sorted(pack.NODE_CLASS_MAPPINGS), sorted(heavy), threading.active_count()]))
"""


def test_it_loads_as_comfyui_loads_it_and_does_nothing_yet(tmp_path: Path) -> None:
    """Under a name that is a path, from a folder whose name is no identifier, writing nothing."""
    folder = tmp_path / "1-comfyui-lumenfall"
    shutil.copytree(ROOT / "nodes", folder / "nodes", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "__init__.py", folder)
    code = LOADER.format(name=str(folder).replace(".", "_x_"), path=str(folder / "__init__.py"), folder=str(folder))
    environ = {**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, env=environ, cwd=tmp_path)
    names = [
        "Compare",
        "Edit",
        "Estimate",
        "Generate",
        "Inpaint",
        "Options",
        "Outpaint",
        "Recover",
        "Upscale",
        "Variations",
    ]
    assert json.loads(printed) == [[f"Lumenfall{name}" for name in names], [], 1]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
