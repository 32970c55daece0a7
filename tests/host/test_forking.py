"""A child that a host has forked while its threads were in the middle of something buys as any other process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodes.headless.sandbox import Sandbox
from tests.conftest import ROOT
from tests.faults.world import LONGEST

FORKING = """
import os, signal, sys, threading
import torch
from nodes.api import memory
from nodes.headless.host import Headless
from nodes.purchase import background, consent
from nodes.spend import database
from tests.faults.child import attempt
torch.set_num_threads(1)
locks = [database._opening, consent._beginning, background._starting, memory._lock]
for lock in locks:
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
memory._held = memory.MOST_HELD
if os.fork() == 0:
    signal.alarm({patience})
    inputs = {{"prompt": "a cat", "size": "64x64", "model": "flux.2-pro"}}
    print(len(attempt(Headless({{"LUMENFALL_REPLAY": "off"}}), "LumenfallGenerate", inputs).pictures), flush=True)
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.wait()[1]) != 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_waits_for_no_thread_of_its_parent(tmp_path: Path, sandbox: Sandbox) -> None:
    code = FORKING.format(patience=LONGEST // 2)
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LUMENFALL_BASE_URL": sandbox.base_url,
        "LUMENFALL_DATA_DIR": str(tmp_path),
    }
    process = subprocess.run([sys.executable, "-c", code], text=True, env=environ, capture_output=True, timeout=LONGEST)
    assert (process.returncode, process.stdout) == (0, "1\n"), process.stderr
