"""
A reader of the documentation, who does what a page says.

The first word after three backticks is the kind of a block, and words may follow it:

    title="NAME"   is written to that file, whatever its kind
    sh             each command is run, and has to succeed
    sh fails       the last command has to fail
    sh server      is left running, in place of the one before, and the reader goes on when its
                   port takes connections
    text           each line stands in what the commands of the block before it printed; "..."
                   stands for any text within a line

Blocks of another kind (`yaml`, `nginx`, `console`) are for programs that a test has not.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_START_S = 120
_PORTS = "8080", "8500", "8501"
"""The ports of the pages, for each of which the reader takes one that is free."""
_CODE = "eas_processor", "eas_prediction", "eas_wire"
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
    """Does what a page says, in a directory of its own and on ports that are free."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held = [free_port() for _ in _PORTS]
        own = [str(each.getsockname()[1]) for each in self._held]
        self._ports = dict(zip(_PORTS, own, strict=True))
        self._environment = {
            **os.environ,
            "EAS_HOME": str(directory / "home"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self._server: subprocess.Popen[str] | None = None
        self.printed = ""

    def follow(self, page: str) -> None:
        """Do what a page says; AssertionError names the line that does something else."""
        found = blocks(page)
        if any(f'title="{each}/' in block.rest for each in _CODE for block in found):
            self._clone()
        for kind, rest, text in found:
            if title := _TITLE.search(rest):
                self.write(title[1], text)
            elif kind == "sh" and "server" in rest:
                self.leave_running(_commands(text)[0])
            elif kind == "sh":
                self.printed = ""
                *first, last = _commands(text)
                for command in first:
                    self.run(command)
                self.run(last, fails="fails" in rest)
            elif kind == "text":
                for line in text.strip().splitlines():
                    shown = ".*".join(re.escape(part.strip()) for part in line.split("..."))
                    assert re.search(shown, self.printed), f"{line!r} is not in:\n{self.printed}"

    def _clone(self) -> None:
        """Copy the code, which the page changes, and run the copy from now on."""
        for each in _CODE:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / each, self._directory / each, ignore=ignored)
        self._environment["PYTHONPATH"] = str(self._directory)

    def write(self, name: str, text: str) -> None:
        """Write a file, and the directories that it is in."""
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(text))

    def run(self, command: str, *, fails: bool = False) -> None:
        """Run a command and add what it prints to `printed`; AssertionError where it fails."""
        done = bash(self._here(command), self._directory, self._environment)
        assert (done.returncode != 0) == fails, f"{command}\n{done.stdout}"
        self.printed += self._as_on_the_page(done.stdout)

    def leave_running(self, command: str) -> None:
        """Start a server in place of the one before; wait until its port takes connections."""
        assert self.stop() in (None, 0)
        self._server = subprocess.Popen(
            ["bash", "-c", "exec " + self._here(command)],
            cwd=self._directory,
            env=self._environment,
            text=True,
        )
        named = [port for port in _PORTS if port in command]
        port = self._ports[named[-1] if named else _PORTS[0]]
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._server.poll() is None:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", int(port))) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("the service did not start")

    def stop(self) -> int | None:
        """End the server as Ctrl-C does; return its exit status, None where there was none."""
        self._let_go()
        if self._server is None:
            return None
        self._server.send_signal(signal.SIGINT)
        try:
            return self._server.wait(_START_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            raise

    def _let_go(self) -> None:
        """Leave the ports to the server; until then nobody else can take them."""
        while self._held:
            self._held.pop().close()

    def _here(self, text: str) -> str:
        """Return a text of the page with the reader's ports."""
        return re.sub("|".join(_PORTS), lambda found: self._ports[found[0]], text)

    def _as_on_the_page(self, text: str) -> str:
        """Return what a command printed with the ports of the page."""
        for port, own in self._ports.items():
            text = re.sub(rf"\b{own}\b", port, text)
        return text


def bash(
    command: str, directory: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command of a page; return its exit status, and both its outputs as one."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_START_S,
        check=False,
    )


def _commands(text: str) -> list[str]:
    """Return the commands of a block: its lines, joined where one ends in a backslash."""
    return text.strip().replace("\\\n", "").splitlines()


def free_port() -> socket.socket:
    """
    Return a socket that holds a free port, below those that the kernel gives to connections.

    One of those could be given to another program before the server takes it, or to the reader's
    own attempt to connect, which would then reach itself.
    """
    while True:
        held = socket.socket()
        try:
            held.bind(("", random.randrange(20000, 30000)))
        except OSError:
            held.close()
        else:
            return held
