"""What is uploaded: the wheel, the sdist, and what the registry shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [path for path in (ROOT / "nodes").rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, as they would be uploaded."""
    place = tmp_path_factory.mktemp("distributions")
    clone = place / "clone"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "build", "output", "screenshots", "*.egg-info", ".hypothesis", ".*_cache"
    )
    shutil.copytree(ROOT, clone, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place / "dist"), str(clone)]
    built = subprocess.run(command, text=True, capture_output=True)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "would be ignored" not in built.stderr + built.stdout  # what setuptools may leave out one day
    return place / "dist"


NOT_PYTHON = ("web", "locales", "subgraphs", "example_workflows")
"""Folders of the pack that the playground serves."""


def test_the_wheel_and_the_sdist_are_whole(distributions: Path) -> None:
    """And hold nothing else: a half copy of the tests in the sdist could not run."""
    wanted = {path.relative_to(ROOT).as_posix() for folder in NOT_PYTHON for path in (ROOT / folder).rglob("*")}
    wanted = {name for name in wanted if (ROOT / name).is_file() and "__pycache__" not in name}
    sources = {path.relative_to(ROOT).as_posix() for path in SOURCES}
    (wheel,) = distributions.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    packed = {f"lumenfall_nodes/pack/{name}" for name in wanted}
    assert {name for name in names if name.startswith("lumenfall_nodes/pack/")} == packed
    assert names - packed == {f"lumenfall_{name}" for name in sources}
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive if member.isfile()}
    pages = {path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.*"))}
    assert wanted | sources | pages <= held
    assert not [name for name in held if name.startswith(("tests/", "benchmarks/"))]


def test_what_was_installed_without_extras_says_what_to_install(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "import sys; sys.modules['typer'] = None; from lumenfall_nodes.headless import entry; entry.main()"
    for words in (["--help"], ["run", "x.json", "--json"]):
        ended = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, text=True, capture_output=True)
        assert ended.returncode == 2 and "lumenfall[headless]" in ended.stderr and "Traceback" not in ended.stderr
        assert not ended.stdout or "lumenfall[headless]" in str(json.loads(ended.stdout))


def test_what_texts_say_to_install_can_be_typed_into_any_shell() -> None:
    """cmd takes no single quotes, and zsh reads a bare [extra] as a pattern of file names."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "web" / "docs").rglob("*.md")]
    for path in (*pages, *(ROOT / "nodes").rglob("*.py"), *(ROOT / "locales").rglob("*.json")):
        for words in re.findall(r"pip install(.*)", path.read_text(encoding="utf-8")):
            for before, package in re.findall(r"(\S?)(?<![\w.-])([\w.-]+\[\w+\])", words):
                assert before == '"', f"{path.name}: {before}{package}"


# What the registry's archive has beside what ComfyUI loads. A new folder or kind of file needs a word here.
SHIPPED = {"nodes", "web", "locales", "subgraphs", "example_workflows", "docs", "__init__.py"}
KINDS = {".py", ".js", ".css", ".json", ".md", ".txt", ".toml", ".sql", ".png", ".jpg", ".svg", ".in"}
NAMES = {"LICENSE", "Makefile", ".gitignore", ".comfyignore"}


def test_nothing_is_shipped_that_is_not_the_packs() -> None:
    """Links, which the registry refuses, what Python writes beside its sources, and what came in by mistake."""
    listed = subprocess.run(["git", "ls-files", "-sz"], cwd=ROOT, encoding="utf-8", capture_output=True)
    if listed.returncode:
        pytest.skip("this is no clone")
    entries = [entry.partition("\t") for entry in listed.stdout.split("\0") if entry]
    assert not [name for head, _, name in entries if head.startswith("120000") or "__pycache__" in name]
    left_out = tuple((ROOT / ".comfyignore").read_text(encoding="utf-8").split())
    shipped = [Path(name) for _, _, name in entries if not name.startswith(left_out)]
    assert {path.parts[0] for path in shipped if len(path.parts) > 1} | {"__init__.py"} == SHIPPED
    assert [path for path in shipped if path.suffix not in KINDS and path.name not in NAMES] == []


def test_a_release_is_made_by_nobody_elses_code() -> None:
    """It has the registry's key; and an action that checks out once more deletes what was built to be released."""
    workflows = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")}
    used = {action for text in workflows.values() for action in re.findall(r"uses: (\S+)@", text)}
    assert used == {"actions/checkout", "actions/setup-python"}
    assert workflows["publish.yml"].count("actions/checkout") == 1
    assert workflows["publish.yml"].index("gh release create") < workflows["publish.yml"].index("node publish")


def test_the_readme_is_in_the_order_that_a_newcomer_reads() -> None:
    """A picture, two commands, what it is for, what it costs and promises, how to install it; and it counts right."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    order = ["](docs/images/", "## Two commands", "## What it is for", "## What it costs, and what it promises"]
    places = [text.index(words) for words in (*order, "## Install into ComfyUI")]
    assert places == sorted(places)
    workflows = {path.stem for path in (ROOT / "example_workflows").glob("*.json")}
    assert f"has {len(workflows)} workflows to start from, four of them apps" in " ".join(text.split())
    assert len([name for name in workflows if "(App)" in name]) == 4


def test_each_link_leads_somewhere() -> None:
    """To a file that is there and shipped, and each page of docs/ is linked from the README."""
    linked = set()
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith("https://"):
                place = (page.parent / target).resolve()
                assert place.is_file(), f"{page.name}: {target}"
                linked |= {place} if page.name == "README.md" else set()
    assert set((ROOT / "docs").glob("*.md")) <= linked


def test_the_registrys_pictures_are_there() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for kind in ("Icon", "Banner"):
        (address,) = re.findall(
            rf'^{kind} = "https://raw.githubusercontent.com/[^/]+/[^/]+/main/(.+)"', pyproject, re.MULTILINE
        )
        assert (ROOT / address).read_text(encoding="utf-8").startswith("<svg")
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / picture).is_file() and not picture.startswith(".github"), picture
