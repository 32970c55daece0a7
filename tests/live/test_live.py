"""The questions of questions.py, asked of the sandbox always, and of the real server with a key for it.

    LUMENFALL_LIVE_KEY=... pytest tests/live -s

asks Lumenfall, spends at most 0.20 US dollars by the pack's own limits, and writes what it saw to tests/live/seen, in
which links are kept to be tried again by the next run. Another server: LUMENFALL_LIVE_URL. A key that is set for other
purposes is not used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodes.errors import BudgetExceeded, LumenfallError
from nodes.headless.sandbox import running
from tests.live.asking import Live, told
from tests.live.questions import QUESTIONS

LIMIT = "0.20"
"""US dollars."""

KEY, URL = os.environ.get("LUMENFALL_LIVE_KEY"), os.environ.get("LUMENFALL_LIVE_URL")
SEEN = Path(__file__).with_name("seen")


@pytest.fixture(scope="module", params=["sandbox", "real"])
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    if request.param == "sandbox":
        with running() as sandbox:
            folder = tmp_path_factory.mktemp("live")
            yield Live({"LUMENFALL_BASE_URL": sandbox.base_url}, folder, folder / "links.json", "1", 256)
        return
    if not KEY:
        pytest.skip(f"LUMENFALL_LIVE_KEY is not set; with it the real server is asked, for at most {LIMIT} USD")
    environ = {"LUMENFALL_API_KEY": KEY, **({"LUMENFALL_BASE_URL": URL} if URL else {})}
    asked = Live(environ, SEEN / time.strftime("%Y-%m-%d-%H%M%S"), SEEN / "links.json", LIMIT, 1024)
    asked.folder.mkdir(parents=True)
    try:
        yield asked
    finally:
        written = [f"# What {URL or 'Lumenfall'} did on {time.strftime('%Y-%m-%d')}"]
        for question, lines in asked.seen.items():
            written += ["", f"## {question}", "", *(f"- {line}" for line in lines)]
        (SEEN / f"{asked.folder.name}.md").write_text("\n".join(written) + "\n", encoding="utf-8")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)
def test_what_no_document_settles(live: Live, question: Callable[[Live], list[str]]) -> None:
    try:
        lines = question(live)
    except BudgetExceeded as error:
        lines = [f"not asked: {error.message}"]
    except LumenfallError as error:
        if "LUMENFALL_API_KEY" not in live.environ:
            raise  # the sandbox answers every question
        lines = [told(error)]
    assert lines and all(lines)
    live.seen[" ".join((question.__doc__ or "").split())] = lines
    for line in lines:
        print(f"  {line}")
