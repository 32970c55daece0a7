"""What a benchmark has to say in one line, from which `make bench` makes its table."""

from __future__ import annotations

from collections.abc import Iterable

MARK = "=> "


def sum_up(what: str, measured: str, wanted: str = "") -> None:
    """``wanted`` is the target that was set before anything was measured."""
    print(f"{MARK}{what} | {measured} | {wanted}", flush=True)


def table(lines: Iterable[str]) -> str:
    """The Markdown table of those of ``lines`` that :func:`sum_up` has printed."""
    rows = [f"| {line.removeprefix(MARK).strip()} |" for line in lines if line.startswith(MARK)]
    return "\n".join(["| | measured | wanted |", "|---|---|---|", *rows])


def span(values: Iterable[float], digits: int = 0) -> str:
    """From the least to the largest."""
    least, *_, largest = sorted([*values] * 2)
    return " to ".join(dict.fromkeys(f"{value:.{digits}f}" for value in (least, largest)))
