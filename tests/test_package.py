"""How the pack is put together and loaded."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from nodes.api.client import USER_AGENT
from nodes.host.dependencies import MINIMUMS

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "nodes").rglob("*.py"))

# Room or file at the top -> what it imports of the others. The lowest come first, and imports run downwards only.
ROOMS: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "graph": set(),
    "host": {"errors"},
    "pixels": {"errors"},
    "settings": {"errors", "host"},
    "api": {"errors", "host", "settings"},
    "spend": {"errors", "host"},
    "purchase": {"api", "errors", "graph", "host", "pixels", "settings", "spend"},
    "contract": {"api", "errors", "graph", "host", "pixels", "purchase", "settings"},
    "pricing": {"contract", "errors", "graph", "host", "purchase"},
    "generate": {"api", "contract", "purchase"},
    "inpaint": {"api", "contract", "pixels", "purchase"},
    "variations": {"api", "contract", "pixels", "purchase"},
    "edit": {"api", "contract", "errors", "pixels", "purchase"},
    "outpaint": {"api", "contract", "errors", "pixels", "purchase"},
    "upscale": {"api", "contract", "errors", "pixels", "purchase"},
    "compare": {"api", "contract", "errors", "pixels", "purchase"},
    "options": {"contract", "errors", "purchase", "settings"},
    "recover": {"contract", "purchase"},
    "estimate": {"host", "pricing"},
    "get_svg": {"contract", "errors", "host", "pixels", "purchase"},
    "routes": {"api", "contract", "errors", "host", "pricing", "purchase", "settings", "spend"},
    "table": {
        *("generate", "inpaint", "variations", "edit", "outpaint", "upscale", "compare", "options", "recover"),
        *("estimate", "get_svg", "purchase"),
    },
    "headless": {
        *("api", "errors", "graph", "host", "pixels", "pricing", "purchase", "routes", "settings", "spend", "table"),
    },
}

# The same within the command line's room.
HEADLESS: dict[str, set[str]] = {
    "__init__": set(),
    "folders": set(),
    "host": set(),
    "memory": set(),
    "problems": set(),
    "signals": set(),
    "streams": set(),
    "sandbox": set(),
    "pictures": {"problems"},
    "reading": {"pictures", "problems"},
    "workflow": {"problems", "reading"},
    "core_nodes": {"folders"},
    "sharing": {"core_nodes", "pictures", "reading"},
    "node": set(),
    "foresight": {"node", "problems"},
    "checks": {"foresight", "node", "problems", "reading", "workflow"},
    "executor": {"checks", "host", "memory", "node"},
    "playground": {"checks", "core_nodes", "executor", "folders", "host", "node", "problems", "reading", "sandbox"},
    "rows": {"checks", "core_nodes", "executor", "folders", "host", "node", "problems", "reading", "workflow"},
    "commands": {
        *("checks", "core_nodes", "executor", "folders", "host", "playground", "problems", "reading", "rows"),
        *("sandbox", "sharing", "signals", "streams", "workflow"),
    },
    "version": set(),
    "wrong_files": {"problems", "reading"},
    "cli": {"commands", "signals", "streams", "version", "wrong_files"},
    "entry": {"cli", "commands", "signals", "streams", "version"},
    "__main__": {"entry"},
}


def rooms_in(folder: Path) -> dict[str, set[str]]:
    """Each room and file in ``folder``, and those beside it that it imports from, at any place in it."""
    rooms: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        place = path.relative_to(ROOT).with_suffix("").parts
        depth = len(folder.relative_to(ROOT).parts)
        imported = rooms.setdefault(place[depth], set())
        for target in imported_modules(path):
            if target[:depth] == place[:depth] and len(target) > depth and target[depth] != place[depth]:
                imported.add(target[depth])
    return rooms


def imported_modules(path: Path, *, with_names: bool = False) -> Iterator[tuple[str, ...]]:
    """What is imported; ``with_names`` also what of it, since that may be a module too."""
    package = path.relative_to(ROOT).parts[:-1]
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = package[: len(package) - statement.level + 1] if statement.level else ()
            names = [statement.module] if statement.module else [alias.name for alias in statement.names]
            yield from ((*base, *name.split(".")) for name in names)
            if with_names and statement.module:
                yield from ((*base, *statement.module.split("."), alias.name) for alias in statement.names)


@pytest.mark.parametrize(("folder", "rows"), [("nodes", ROOMS), ("nodes/headless", HEADLESS)])
def test_every_room_imports_only_what_its_row_names(folder: str, rows: dict[str, set[str]]) -> None:
    assert rooms_in(ROOT / folder) == rows


@pytest.mark.parametrize("rows", [ROOMS, HEADLESS], ids=["nodes", "headless"])
def test_imports_run_downwards_only(rows: dict[str, set[str]]) -> None:
    below: set[str] = set()
    for room, imported in rows.items():
        assert imported <= below, f"{room} imports what stands above it"
        below.add(room)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Nor within a room, at any place in a module."""
    names = {path.relative_to(ROOT).with_suffix("").parts: path for path in SOURCES}
    modules = {parts[:-1] if parts[-1] == "__init__" else parts: path for parts, path in names.items()}
    graph = {
        module: {target for target in imported_modules(path, with_names=True) if target in modules and target != module}
        for module, path in modules.items()
    }
    TopologicalSorter(graph).prepare()  # which names the circle


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sources_are_short_and_readable_everywhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text.encode("cp1252")
    assert text.count("\n") < 400


def test_what_is_imported_late_is_imported_from_its_package_down() -> None:
    """Two threads may come to it at once. One that enters a package by a part of it, while the other is within the
    package's own circles of imports, meets half of a module.
    """
    for path in SOURCES:
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            names = {
                statement.module if isinstance(statement, ast.ImportFrom) else statement.names[0].name
                for statement in ast.walk(function)
                if isinstance(statement, ast.Import) or (isinstance(statement, ast.ImportFrom) and not statement.level)
            }
            names = {name for name in names if name and name.partition(".")[0] in {"alembic", "scipy", "sqlalchemy"}}
            assert {name.partition(".")[0] for name in names} <= names, f"{path}: {function.name}"


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


# Modules without a test of their own, by the test that has them: they are parts of one thing, which is tested there as
# its user sees it.
TESTED_WITH: dict[str, str] = {
    "tests/api/test_client.py": "api/quiet_logs api/exchange api/retries",
    "tests/api/test_proxies.py": "api/no_proxy",
    "tests/api/test_refusals.py": "api/metadata",
    "tests/api/test_requests.py": "api/flavours api/formats",
    "tests/api/test_shapes.py": "api/unnamed",
    "tests/test_edit.py": "pixels/markup",
    "tests/test_get_svg.py": "purchase/originals",
    "tests/contract/test_shown.py": "pixels/thumbnails",
    "tests/contract/test_nodes.py": "contract/inputs contract/outputs contract/sizes generate options variations",
    "tests/faults/test_consent.py": "purchase/consent",
    "tests/faults/test_postgresql.py": "spend/postgresql",
    "tests/faults/test_races.py": "spend/locks",
    "tests/faults/test_stop.py": "purchase/background purchase/daemon_threads",
    "tests/headless/commands/test_recover.py": "headless/commands/exports",
    "tests/headless/commands/test_spend.py": "headless/commands/chart headless/commands/printing",
    "tests/graph/test_converting.py": "graph/drawing graph/numbering graph/promoting",
    "tests/headless/core_nodes/test_advanced.py": "headless/core_nodes/formats",
    "tests/headless/core_nodes/test_comfyui_values.py": "headless/core_nodes/compositing headless/core_nodes/joining",
    "tests/headless/core_nodes/test_core_nodes.py": "headless/core_nodes/masks headless/core_nodes/pictures "
    "headless/core_nodes/scaling headless/folders",
    "tests/headless/playground/test_files.py": "headless/playground/folders",
    "tests/headless/playground/test_prompts.py": "headless/playground/jobs headless/playground/messages "
    "headless/playground/queue headless/playground/run",
    "tests/headless/playground/test_server.py": "headless/playground/describing headless/playground/middleware "
    "headless/playground/pack headless/playground/playground headless/playground/stubs",
    "tests/headless/sandbox/test_faults.py": "headless/sandbox/dialects headless/sandbox/fault "
    "headless/sandbox/media_faults headless/sandbox/sending",
    "tests/headless/sandbox/test_media.py": "headless/sandbox/answers headless/sandbox/files",
    "tests/headless/sandbox/test_validation.py": "headless/sandbox/refusal",
    "tests/headless/sharing/test_file.py": "headless/pictures/decoding headless/pictures/exif headless/pictures/icc "
    "headless/pictures/jpeg headless/pictures/png_pixels "
    "headless/pictures/pieces headless/pictures/png headless/pictures/webp",
    "tests/headless/sharing/test_privacy.py": "headless/sharing/keys",
    "tests/headless/commands/test_check.py": "headless/sharing/classes headless/sharing/findings "
    "headless/sharing/joined headless/sharing/models headless/sharing/names headless/sharing/places "
    "headless/sharing/review",
    "tests/headless/rows/test_running.py": "headless/commands/each headless/commands/row_progress "
    "headless/rows/checking headless/rows/reporting headless/rows/results headless/rows/sheet",
    "tests/headless/test_executor.py": "headless/memory",
    "tests/headless/test_checks.py": "graph/fields graph/validation headless/foresight headless/node headless/problems",
    "tests/headless/test_cli.py": "headless/commands/console headless/commands/models headless/commands/options "
    "headless/commands/environment headless/commands/playground headless/commands/run headless/commands/sandbox "
    "headless/commands/summary",
    "tests/headless/test_signals.py": "headless/__main__ headless/entry headless/streams headless/version "
    "headless/wrong_files",
    "tests/comfyui/test_host.py": "host/comfyui",
    "tests/pricing/test_estimate.py": "pricing/result purchase/quote",
    "tests/purchase/test_checkout.py": "purchase/delivery purchase/outcome",
    "tests/purchase/test_money.py": "api/prices purchase/charged_dry_runs",
    "tests/purchase/test_ask.py": "purchase/chores",
    "tests/purchase/test_ending.py": "purchase/repeated_signals",
    "tests/routes/test_routes.py": "routes/estimate routes/models routes/own_loop routes/serving routes/spending",
    "tests/spend/test_journal.py": "spend/calls spend/files spend/rows",
    "tests/spend/test_migrations.py": "spend/tables",
    "tests/test_inpaint.py": "headless/sandbox/drifting pixels/parts",
    "tests/test_outpaint.py": "pixels/canvas",
    "tests/pixels/test_registration.py": "pixels/sampling pixels/transforms",
    "tests/pixels/test_stitching.py": "pixels/colours pixels/framing",
}


def test_a_module_has_its_test_or_a_place_in_another() -> None:
    modules = [path.relative_to(ROOT / "nodes").with_suffix("") for path in SOURCES]
    modules = [module for module in modules if module.name != "__init__" and "migrations" not in module.parts]
    lacking = {
        module.as_posix()
        for module in modules
        if not (ROOT / "tests" / module.parent / f"test_{module.name}.py").exists()
    }
    assert sorted(lacking) == sorted(name for names in TESTED_WITH.values() for name in names.split())
    assert [test for test in TESTED_WITH if not (ROOT / test).exists()] == []


def test_comfyui_installs_what_the_package_needs() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"dependencies = {lines!s}".replace("'", '"') in pyproject
    assert lines == [f"{name}>={minimum}" for name, minimum in MINIMUMS.items()]


def test_there_is_one_version() -> None:
    """The registry and ComfyUI's managers read pyproject.toml."""
    (version,) = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    released = re.findall(r"^## (.+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"comfyui-lumenfall/{version}" == USER_AGENT
    assert released[0] == version
    if os.environ.get("GITHUB_REF_TYPE") == "tag":  # about to be published
        assert os.environ["GITHUB_REF_NAME"] == f"v{version}"


# What else writes files: a download and a log that grow, and a file that only shows that the disk has room.
WRITERS = {"host/files.py", "api/downloads.py", "spend/journal.py", "headless/rows/record.py"}


def test_files_are_written_by_one_module() -> None:
    """So that none is ever half there."""
    writes = re.compile(
        r"""\.write_(?:text|bytes)\(|open\([^)]*["'][rwax]?[bt]?[wax+]|NamedTemporaryFile|mkstemp|os\.replace"""
    )
    found = {path.relative_to(ROOT / "nodes").as_posix() for path in SOURCES if writes.search(path.read_text("utf-8"))}
    assert found == WRITERS


LOADER = """
import importlib.util, json, sys, threading
before = set(sys.modules)
spec = importlib.util.spec_from_file_location({name!r}, {path!r}, submodule_search_locations=[{folder!r}])
pack = importlib.util.module_from_spec(spec)
sys.modules[{name!r}] = pack
spec.loader.exec_module(pack)
pack.NODE_CLASS_MAPPINGS["LumenfallGenerate"].INPUT_TYPES()
heavy = (set(sys.modules) - before) & {{"aiohttp", "alembic", "rich", "scipy", "sqlalchemy", "typer"}}
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
        "GetSVG",
        "Inpaint",
        "Options",
        "Outpaint",
        "Recover",
        "Upscale",
        "Variations",
    ]
    assert json.loads(printed) == [[f"Lumenfall{name}" for name in names], [], 1]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_pytest_runs_in_a_clone(tmp_path: Path) -> None:
    """Whose name is no identifier, and whose __init__.py can be imported by ComfyUI only."""
    clone = tmp_path / "comfyui-lumenfall"
    for name in ("nodes", "tests/graph"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, clone / name)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=clone, text=True, capture_output=True)
    assert ended.returncode == 0, ended.stdout
