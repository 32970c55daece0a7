"""Where ``lumenfall`` begins: it hears signals before it imports what takes a while."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys

from ..errors import OldDependency
from ..host import dependencies
from . import signals
from .streams import lasting


def main() -> None:
    """The console script."""
    has_begun = False
    with lasting(), contextlib.ExitStack() as stack:
        try:
            with signals.held():
                stack.enter_context(signals.heard())
                if sys.argv[1:] == ["--version"]:
                    from .version import sentence

                    print(sentence())
                    return
                _require_packages()
                from . import cli

                app = cli.prepared()
            has_begun = True
            cli.start(app)
        except KeyboardInterrupt:
            from .cli import break_off

            if not has_begun and "--json" not in sys.argv:
                print("Interrupted before anything was sent.", file=sys.stderr)
            break_off()


_OF_THE_COMMAND_LINE = ("platformdirs", "rich", "torch", "typer")
"""What no command can do without, of the extra ``headless``."""


def _require_packages() -> None:
    """Leave with the reason, and the code of a wrong input, where a package is missing or too old."""
    try:
        dependencies.require()
        lacking = [name for name in _OF_THE_COMMAND_LINE if importlib.util.find_spec(name) is None]
        if lacking:
            raise OldDependency(
                f"The command line needs more than the nodes do: {', '.join(lacking)}.",
                hint='Run pip install "lumenfall[headless]" (without a GPU, first set '
                "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu: it saves gigabytes).",
            )
    except OldDependency as error:
        print(error.message, error.hint, file=sys.stderr)
        if "--json" in sys.argv:
            from .commands.summary import of_error

            print(json.dumps(of_error(error)))
        sys.exit(2)
