"""Old packages: said before money moves, and never by a node that is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL
import pytest
import torch

from nodes.errors import Charged, OldDependency
from nodes.headless.sandbox import Sandbox
from nodes.host import dependencies
from nodes.host.dependencies import MINIMUMS
from nodes.table import NODE_CLASS_MAPPINGS
from tests.conftest import Nodes

ROOT = Path(__file__).parents[2]
IMAGE, MASK = torch.rand(1, 64, 64, 3), torch.ones(1, 64, 64)


@pytest.fixture
def looked_at_anew() -> Iterator[None]:
    dependencies.lacking.cache_clear()
    yield
    dependencies.lacking.cache_clear()


def test_what_is_installed_here_is_new_enough(looked_at_anew: None) -> None:
    assert dependencies.lacking() == {}


@pytest.mark.parametrize(
    ("node", "inputs"),
    [
        ("LumenfallGenerate", {"prompt": "a fox"}),
        ("LumenfallInpaint", {"image": IMAGE, "mask": MASK, "prompt": "a fox"}),
        ("LumenfallVariations", {"image": IMAGE}),
        ("LumenfallEdit", {"image": IMAGE, "prompt": "a fox"}),
        ("LumenfallOutpaint", {"image": IMAGE}),
        ("LumenfallUpscale", {"image": IMAGE}),
        ("LumenfallCompare", {"prompt": "a fox"}),
    ],
)
def test_a_node_says_what_to_upgrade_before_anything_is_sent(
    node: str,
    inputs: dict[str, Any],
    nodes: Nodes,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    looked_at_anew: None,
) -> None:
    monkeypatch.setattr(PIL, "__version__", "10.0.1")
    with pytest.raises(OldDependency, match=r"Pillow 10\.0\.1") as caught:
        nodes(node, **inputs)
    assert 'pip install -U "Pillow>=10.1"' in caught.value.hint
    assert (caught.value.code, caught.value.charged) == ("OLD_DEPENDENCY", Charged.NO)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("version", "is_old"),
    [
        ("10.0.1", True),
        ("9.5", True),
        ("10", True),
        ("10.1", False),
        ("10.1.0rc1", False),
        ("11.dev0", False),
        ("100", False),
    ],
)
def test_versions_are_compared_by_number(
    version: str, is_old: bool, monkeypatch: pytest.MonkeyPatch, looked_at_anew: None
) -> None:
    monkeypatch.setattr(PIL, "__version__", version)
    assert ("Pillow" in dependencies.lacking()) is is_old


def test_an_old_python_is_named_in_place_of_what_it_cannot_read(caplog: pytest.LogCaptureFixture) -> None:
    """Its SyntaxError would be all that ComfyUI shows."""
    with (
        pytest.MonkeyPatch.context() as old,
        pytest.raises(OldDependency, match=r"Python 3\.9\.18 is too old") as caught,
    ):
        old.setattr(sys, "version_info", (3, 9, 18, "final", 0))
        dependencies.tell()
        with dependencies.blamed():
            raise SyntaxError("invalid syntax")
    assert "Python 3.10 or newer" in caught.value.hint and "Python 3.9.18 is too old" in caplog.text
    wanted = ".".join(map(str, dependencies.PYTHON))
    assert f'requires-python = ">={wanted}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


LOADER = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("pack", {path!r}, submodule_search_locations=[{folder!r}])
pack = importlib.util.module_from_spec(spec)
sys.modules["pack"] = pack
spec.loader.exec_module(pack)
print(len(pack.NODE_CLASS_MAPPINGS))
"""


HIDE = """
import importlib.metadata, importlib.util, sys
version, find = importlib.metadata.version, importlib.util.find_spec
def told(name):
    if name == "{0}":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = told
importlib.util.find_spec = lambda name, *more: None if name == "{0}" else find(name, *more)
sys.modules["{0}"] = None
"""


def load(folder: Path, missing: str) -> subprocess.CompletedProcess[str]:
    """The pack, as ComfyUI loads it, where a package is missing and ``folder`` comes before what is installed."""
    (folder / "sitecustomize.py").write_text(HIDE.format(missing))
    code = LOADER.format(path=str(ROOT / "__init__.py"), folder=str(ROOT))
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True)


def test_the_nodes_load_with_old_and_missing_packages_and_the_log_says_so(tmp_path: Path) -> None:
    (tmp_path / "filelock-3.9.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: filelock\nVersion: 3.9.0\n"
    (tmp_path / "filelock-3.9.0.dist-info" / "METADATA").write_text(metadata)
    done = load(tmp_path, missing="alembic")
    assert done.stdout.split() == [str(len(NODE_CLASS_MAPPINGS))]
    assert "too old for this pack: alembic (not installed), filelock 3.9.0." in done.stderr
    assert f'pip install -U "alembic>={MINIMUMS["alembic"]}" "filelock>={MINIMUMS["filelock"]}"' in done.stderr


def test_what_keeps_them_from_loading_is_said_first(tmp_path: Path) -> None:
    done = load(tmp_path, missing="tenacity")
    assert done.returncode and f'pip install -U "tenacity>={MINIMUMS["tenacity"]}"' in done.stderr


def test_a_package_that_is_there_in_part_is_installed_anew(tmp_path: Path) -> None:
    """As an upgrade leaves it that broke off: pip calls it installed, and would do nothing."""
    (tmp_path / "tenacity").mkdir()
    (tmp_path / "tenacity" / "__init__.py").write_text("from .retry import retry_base")
    done = load(tmp_path, missing="")
    advice = f'pip install --force-reinstall "tenacity>={MINIMUMS["tenacity"]}"'
    assert done.returncode and "tenacity cannot be used as it is installed" in done.stderr and advice in done.stderr


def old_pydantic(folder: Path) -> None:
    (folder / "pydantic").mkdir()
    (folder / "pydantic" / "__init__.py").write_text('__version__ = "1.10.13"\nclass BaseModel: pass\n')
    (folder / "pydantic-1.10.13.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: pydantic\nVersion: 1.10.13\n"
    (folder / "pydantic-1.10.13.dist-info" / "METADATA").write_text(metadata)


PYDANTIC = f'too old for this pack: pydantic 1.10.13. Run pip install -U "pydantic>={MINIMUMS["pydantic"]}"'


@pytest.mark.parametrize("package", ["pydantic", "tenacity"])
def test_the_load_ends_with_the_reason_and_not_with_what_could_not_be_imported(package: str, tmp_path: Path) -> None:
    done = load(tmp_path, missing=package)
    assert done.returncode and "ModuleNotFoundError" not in done.stderr
    assert f"OldDependency: Missing or too old for this pack: {package} (not installed)." in done.stderr


def test_so_it_does_with_an_old_pydantic(tmp_path: Path) -> None:
    old_pydantic(tmp_path)
    done = load(tmp_path, missing="no_such_package")
    assert done.returncode and "ImportError" not in done.stderr
    assert f"OldDependency: Missing or {PYDANTIC}" in done.stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_line_says_what_to_upgrade(options: list[str], tmp_path: Path) -> None:
    old_pydantic(tmp_path)
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "nodes.headless", "run", "w.json", *options]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert PYDANTIC in done.stderr and "Traceback" not in done.stderr
    if options:
        assert json.loads(done.stdout)["errors"][0]["code"] == "OLD_DEPENDENCY"


@pytest.mark.parametrize("metadata", [None, "Name: tenacity\n"])
def test_half_a_package_that_was_left_behind_hides_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: str | None
) -> None:
    """As an interrupted pip leaves it."""
    left = tmp_path / "tenacity-9.0.dist-info"
    left.mkdir()
    if metadata:
        (left / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tenacity", raising=False)
    dependencies.lacking.cache_clear()
    try:
        assert "tenacity" not in dependencies.lacking()
        dependencies.tell()
    finally:
        dependencies.lacking.cache_clear()


@pytest.mark.parametrize("version", ["v99.0", "1!99.0", "unknown", "99rc1", "99.0+local"])
def test_an_odd_version_is_no_reason_to_refuse(version: str) -> None:
    assert not dependencies._is_too_old("tenacity", version)
