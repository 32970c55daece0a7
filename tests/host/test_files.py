"""Files that several processes want to write."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nodes.host.files import create, move, write_durably

ROOT = Path(__file__).parents[2]
PROCESSES, PICTURES = 6, 4

# Six that are ready before the first one saves; each names what it wrote.
SAVING = """
import json, os, sys, torch
from nodes.headless.core_nodes.files import write
from pathlib import Path
torch.set_num_threads(1)
ready, go = os.pipe(), os.pipe()
for number in range({processes}):
    if os.fork() == 0:
        os.close(go[1])
        images = torch.full(({pictures}, 64, 64, 3), number / 10)
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        names = [image["filename"] for image in write(Path({folder!r}), "p", images, None, None, compression=0)]
        os.write(1, (json.dumps([number, names]) + "\\n").encode())
        os._exit(0)
for number in range({processes}):
    os.read(ready[0], 1)
os.close(go[0])
os.close(go[1])
for number in range({processes}):
    assert os.wait()[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_processes_that_save_at_the_same_time_write_a_file_each(tmp_path: Path) -> None:
    code = SAVING.format(processes=PROCESSES, pictures=PICTURES, folder=str(tmp_path))
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, env=environ)
    count = PROCESSES * PICTURES
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"p_{n:05}_.png" for n in range(1, count + 1)]
    for number, names in map(json.loads, printed.splitlines()):
        assert len(names) == PICTURES and names == sorted(names)
        for name in names:
            with Image.open(tmp_path / name) as picture:
                assert picture.convert("RGB").getpixel((63, 63)) == (int(255 * number / 10 + 1e-4),) * 3


# Killed when the name was claimed, and the file not renamed yet.
DYING = """
import os, signal
from pathlib import Path
from nodes.host.files import create
def refuse(*_):
    raise OSError("no links here")
os.link = refuse
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
create(Path({path!r}), b"first")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs kill -9")
def test_a_process_that_is_killed_leaves_no_empty_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", DYING.format(path=str(path))], env=environ).returncode == -9
    left = list(tmp_path.iterdir())
    assert left and all(file.name.startswith(".") for file in left)
    for file in left:
        os.utime(file, (0, 0))
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    assert create(path, b"second")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.png", b"second")]


class TestWithAndWithoutLinks:
    @pytest.fixture(autouse=True, params=["links", "no links"])
    def disk(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        if request.param == "no links":
            monkeypatch.setattr(os, "link", refuse)

    def test_a_name_is_given_once(self, tmp_path: Path) -> None:
        assert create(tmp_path / "a", b"first")
        assert not create(tmp_path / "a", b"second")
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"first")]

    def test_a_file_moves_to_a_free_name_only(self, tmp_path: Path) -> None:
        write_durably(tmp_path / "a", b"a")
        write_durably(tmp_path / "b", b"b")
        assert not move(tmp_path / "a", tmp_path / "b")
        assert move(tmp_path / "a", tmp_path / "c")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b": b"b", "c": b"a"}

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        for write in (create, write_durably):
            with pytest.raises(OSError, match="No space"):
                write(tmp_path / "a", b"content")
        assert not list(tmp_path.iterdir())
