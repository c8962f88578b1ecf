"""
A reader of the documentation, who does what a page says.

Blocks with a `title` are written to that file, `sh` ones are run in order, one of `sh server` is
left running, and each line of a `text` block stands in what the commands before it printed. Blocks
of another kind (`yaml`, `nginx`, `console`) are for programs that a test has not.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[2] / "docs"
_START_S = 120
_BLOCK = re.compile(r"^```(\w+)(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_TITLE = re.compile(r'title="(.+)"')


class Block(NamedTuple):
    """A fenced block: its kind, what follows on the line of the fence, and its lines."""

    kind: str
    rest: str
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page of docs/, in order."""
    return [Block(*found) for found in _BLOCK.findall((DOCS / page).read_text("utf-8"))]


class Reader:
    """Does what the page says, in a directory of its own and on a port that is free."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        self._environment = {
            **os.environ,
            "EAS_HOME": str(directory / "home"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self._server: subprocess.Popen[str] | None = None
        self.printed = ""

    def follow(self, page: str) -> None:
        """Do what a page says; AssertionError names the line that does something else."""
        for kind, rest, text in blocks(page):
            if title := _TITLE.search(rest):
                self.write(title[1], text)
            elif kind == "sh" and "server" in rest:
                self.leave_running(text.strip())
            elif kind == "sh":
                self.printed = ""
                for line in text.strip().splitlines():
                    self.run(line)
            elif kind == "text":
                for line in text.strip().splitlines():
                    assert line in self.printed, f"{line!r} is not in:\n{self.printed}"

    def write(self, name: str, text: str) -> None:
        """Write a file, and the directories that it is in."""
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(text))

    def run(self, line: str) -> None:
        """Run a line, and keep what it prints; AssertionError where it fails."""
        done = subprocess.run(
            ["bash", "-c", self._here(line)],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_START_S,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        self.printed += done.stdout

    def leave_running(self, line: str) -> None:
        """Start a server, and wait until its port takes connections."""
        self._server = subprocess.Popen(
            ["bash", "-c", "exec " + self._here(line)],
            cwd=self._directory,
            env=self._environment,
            text=True,
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._server.poll() is None:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", int(self._port))) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("the service did not start")

    def stop(self) -> int | None:
        """End the server as Ctrl-C does; return its exit status, None where there was none."""
        if self._server is None:
            return None
        self._server.send_signal(signal.SIGINT)
        try:
            return self._server.wait(_START_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            raise

    def _here(self, text: str) -> str:
        return text.replace("8080", self._port)
