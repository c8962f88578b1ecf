"""
docs/tutorial.md, run as a reader does.

Blocks with a `title` are written to that file, `sh` ones are run in order, one of `sh server` is
left running, and each line of a `text` block stands in what the commands before it printed.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures import need

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCKS = re.findall(r"^```(\w+)(.*)\n((?:.*\n)*?)```$", PAGE.read_text("utf-8"), re.MULTILINE)
START_S = 120

pytestmark = pytest.mark.slow


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

    def write(self, name: str, text: str) -> None:
        (self._directory / name).write_text(self._here(text))

    def run(self, line: str) -> None:
        done = subprocess.run(
            ["bash", "-c", self._here(line)],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        self.printed += done.stdout

    def leave_running(self, line: str) -> None:
        self._server = subprocess.Popen(
            ["bash", "-c", "exec " + self._here(line)],
            cwd=self._directory,
            env=self._environment,
            text=True,
        )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._server.poll() is None:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", int(self._port))) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("the service did not start")

    def stop(self) -> int | None:
        if self._server is None:
            return None
        self._server.send_signal(signal.SIGINT)
        return self._server.wait(START_S)

    def _here(self, text: str) -> str:
        return text.replace("8080", self._port)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    need.module("keras")
    need.path_of("curl")
    reader = Reader(tmp_path)
    yield reader
    reader.stop()


def test_the_page_does_what_it_says(reader: Reader) -> None:
    for kind, rest, text in BLOCKS:
        if title := re.search(r'title="(.+)"', rest):
            reader.write(title[1], text)
        elif kind == "sh" and "server" in rest:
            reader.leave_running(text.strip())
        elif kind == "sh":
            reader.printed = ""
            for line in text.strip().splitlines():
                reader.run(line)
        else:
            assert kind == "text"
            for line in text.strip().splitlines():
                assert line in reader.printed, f"{line!r} is not in:\n{reader.printed}"
    assert reader.stop() == 0
