"""A directory and a running engine, in which the blocks of the documentation are run."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from docs.reader import ROOT, bash, free_port
from docs.workspace_files import TOKEN, names_of_python, write_files, write_quick_service

_PORTS = "8080", "8500", "8501"
_PATIENCE_S = 120
_SERVERS = re.compile(r"(eascmd serve|eascmd processor run|tensorflow_model_server) ")
_CURL = 'curl() { command curl -sS --fail-with-body "$@"; }; '
"""A refusal is a failure, and no page needs a progress bar."""


class Workspace:
    """
    A directory with the files that the pages name, and an engine with `digits` and `half_plus_two`.

    A block runs in the directory. The ports that it names are those of the server that it starts
    itself, or else of the engine.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        write_files(directory)
        self._folder = directory
        self._servers: list[subprocess.Popen[bytes]] = []
        self._done: set[tuple[str, ...]] = set()
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "TOKEN": TOKEN,
            "EAS_TOKEN": TOKEN,
        }
        self._start("eascmd serve service.json half_plus_two.json")
        self._of_engine = self._ports, self._environment["EAS_HOME"]

    def close(self) -> None:
        """End the engine; AssertionError where it fails."""
        while self._servers:
            self._stop()

    def write(self, name: str, text: str) -> None:
        """Write a file that a page shows."""
        (self.directory / name).write_text(text)

    def run(self, found: list[str], page: str) -> None:
        """
        Run the commands of a block, unless another page has the same block.

        Those of an example run in a copy of its folder. AssertionError names a command that fails.
        """
        block = tuple(_without_comment(each) for each in found)
        if block in self._done:
            return
        self._folder = self._folder_of(page)
        only_servers = all(_SERVERS.match(each) for each in block)
        try:
            for command in block:
                if not _SERVERS.match(command):
                    self._run(command)
                elif not only_servers or (command,) not in self._done:
                    self._start(command)
                    self._done.add((command,))
        finally:
            while len(self._servers) > 1:
                self._stop()
            self._ports, self._environment["EAS_HOME"] = self._of_engine
        self._done.add(block)

    def python(self, code: str, names: dict[str, Any]) -> None:
        """Run a block of Python, which may await, and the test functions that it defines."""
        with contextlib.chdir(self.directory):
            compiled = compile(self._here(code), "<page>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(compiled, names)
            if inspect.iscoroutine(waiting):
                asyncio.run(waiting)
            for name in [each for each in names if each.startswith("test_")]:
                names.pop(name)()

    def names(self) -> dict[str, Any]:
        """Return the names that blocks of Python use without defining them."""
        return names_of_python(self._here("http://127.0.0.1:8080"))

    def _folder_of(self, page: str) -> Path:
        if not page.startswith("examples/"):
            return self.directory
        folder = self.directory / page.rpartition("/")[0]
        shutil.copytree((ROOT / page).parent, folder, dirs_exist_ok=True)
        return folder

    def _run(self, command: str) -> None:
        if command.startswith("eascmd bench"):
            command += " --duration 1 --warm-up 0"
        if command.startswith("eascmd reload digits"):
            write_quick_service(self.directory / "digits.json", model_config="changed")
        if made := re.match(r"eascmd processor new (\S+)", command):
            shutil.rmtree(self.directory / made[1], ignore_errors=True)
        done = bash(_CURL + self._here(command), self._folder, self._environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        if exported := re.match(r"export (\w+)=(.*)", self._here(command)):
            self._environment[exported[1]] = exported[2]

    def _start(self, command: str) -> None:
        """Start a server with a data directory of its own, and wait until it is ready."""
        self._ports = _free_ports()
        self._environment["EAS_HOME"] = str(self.directory / f"home-{self._ports['8080']}")
        line = self._here(command)
        if line.startswith("eascmd"):
            line += f" --port {self._ports['8080']}"
            self._ports = dict.fromkeys(_PORTS, self._ports["8080"])
        log = self.directory / f"{self._ports['8080']}.log"
        with log.open("w") as output:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self.directory,
                env=self._environment,
                stdout=output,
                stderr=output,
            )
        try:
            deadline = time.monotonic() + _PATIENCE_S
            while not self._serves(line, log):
                assert server.poll() is None, f"{command}\n{log.read_text()}"
                assert time.monotonic() < deadline, f"{command}\n{log.read_text()}"
                time.sleep(0.05)
        except BaseException:
            server.kill()
            raise
        self._servers.append(server)

    def _serves(self, line: str, log: Path) -> bool:
        if line.startswith("eascmd"):
            services = max(1, line.count(".json"))
            return log.read_text().count('"event": "serving"') >= services
        ready = f"http://127.0.0.1:{self._ports['8501']}/readyz"
        with contextlib.suppress(OSError), urlopen(ready, timeout=_PATIENCE_S) as answer:
            return bool(answer.status == 200)
        return False

    def _stop(self) -> None:
        server = self._servers.pop()
        server.send_signal(signal.SIGINT)
        try:
            assert server.wait(_PATIENCE_S) == 0, server.args
        except subprocess.TimeoutExpired:
            server.kill()
            raise

    def _here(self, text: str) -> str:
        """Return a text of a page with this workspace's ports, token and models."""
        for port, own in self._ports.items():
            text = re.sub(rf"\b{port}\b", own, text)
        text = re.sub(r"(token=|set_token\(|EAS_TOKEN=)(\")?\.\.\.(\")?", rf"\1\2{TOKEN}\3", text)
        text = text.replace("0.0, ...", ", ".join(["0.0"] * 784))
        return re.sub(r"(?<=[=\s])/models/", f"{self.directory}/models/", text)


@contextlib.contextmanager
def workspace_in(directory: Path) -> Iterator[Workspace]:
    """Make the workspace in a directory, and end it."""
    workspace = Workspace(directory)
    try:
        yield workspace
    finally:
        workspace.close()


def _without_comment(command: str) -> str:
    return re.sub(r"\s+# .*$", "", command)


def _free_ports() -> dict[str, str]:
    held = [free_port() for _ in _PORTS]
    own = [str(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return dict(zip(_PORTS, own, strict=True))
