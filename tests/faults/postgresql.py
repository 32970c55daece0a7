"""A PostgreSQL server of our own, in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

USER = "lumenfall"


def programs() -> Path | None:
    """The folder of the server's programs; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    elsewhere = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(elsewhere).resolve().parent if elsewhere else None


class PostgreSQL:
    """Listens on a socket in its folder only. ``start`` and ``stop`` may be called again and again."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Not pytest's folder: it is closed to other users, and the path of a socket must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        # The server refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        self._count = 0
        self._run("initdb", "-D", "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        settings = (
            "fsync=off",
            "shared_buffers=16MB",
            "listen_addresses=''",
            f"unix_socket_directories='{self.folder}'",
        )
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(("", *settings, "")))

    def start(self) -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "start")

    def stop(self) -> None:
        """As in a crash: nobody is waited for."""
        self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """As on a disk that hangs: connections stay, and nobody answers."""
        engine = sa.create_engine(self.url("postgres"))
        with engine.connect() as connection:
            pids = list(connection.exec_driver_sql("SELECT pid FROM pg_stat_activity").scalars())
        engine.dispose()
        pids.append(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        self._signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(pids, signal.SIGCONT)

    def _signal(self, pids: list[int], number: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def remove(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def new_database(self, encoding: str = "UTF8") -> str:
        """The URL of an empty database."""
        self._count += 1
        name = f"spend_{self._count}"
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
        engine.dispose()
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        where = {"cwd": self.folder, "user": self._user, "extra_groups": [] if self._user else None}
        done = subprocess.run(command, **where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # type: ignore[call-overload]
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}")
