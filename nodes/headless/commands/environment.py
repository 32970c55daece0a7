"""The environment variables that a command changes, for a run on the sandbox."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..host import sandboxed


@contextlib.contextmanager
def environment(in_sandbox: bool, output_folder: Path | None = None) -> Iterator[dict[str, str | None]]:
    """None without the sandbox. With it, its server runs meanwhile, and what is bought there is kept beside the
    pictures in ``output_folder``, or nowhere for long where there is none.
    """
    if not in_sandbox:
        yield {}
        return
    from ..sandbox import running

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running())
        if output_folder is not None:
            data_dir = str(output_folder.resolve() / ".lumenfall")
        else:
            data_dir = stack.enter_context(
                tempfile.TemporaryDirectory(
                    prefix="lumenfall-estimate-",
                    ignore_cleanup_errors=True,  # the database stays open until the process ends
                )
            )
        yield sandboxed(server.base_url, data_dir)
