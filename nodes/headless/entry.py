"""Where ``lumenfall`` begins: it hears signals before it imports what takes a while."""

from __future__ import annotations

import contextlib
import sys

from . import signals
from .streams import forgive


def main() -> None:
    """The console script."""
    forgive()
    has_begun = False
    with contextlib.ExitStack() as stack:
        try:
            with signals.held():
                stack.enter_context(signals.heard())
                if sys.argv[1:] == ["--version"]:
                    from .version import sentence

                    print(sentence())
                    return
                from . import cli
            has_begun = True
            cli.start()
        except KeyboardInterrupt:
            from .cli import break_off

            if not has_begun and "--json" not in sys.argv:
                print("Interrupted before anything was sent.", file=sys.stderr)
            break_off()
