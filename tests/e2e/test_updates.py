"""A running `eascmd serve` that is changed: by --watch, SIGHUP, reload and rollback."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import EASCMD
from fixtures.engine import alive, eventually

SAVED_MODEL = Path(__file__).parents[1] / "tf" / "data" / "tf1_saved_model"


class Running:
    """`eascmd serve` of a model directory with version 1, in a session of its own."""

    def __init__(
        self, directory: Path, *options: str, terminal: bool = False, early: int = 0
    ) -> None:
        self.file = directory / "service.json"
        self.models = directory / "models"
        shutil.copytree(SAVED_MODEL, self.models / "1")
        self.keys: dict[str, Any] = {
            "name": "digits",
            "model_path": str(self.models),
            "processor": "tensorflow_cpu",
            "token": "",
        }
        self.write()
        self.environment = {**os.environ, "EAS_HOME": str(directory), "TMPDIR": str(directory)}
        self._log = directory / "stderr"
        command = [str(EASCMD), "serve", str(self.file), "--port", "0", *options]
        self.pid, self._output = _spawn(command, self.environment, self._log, terminal)
        if early:
            eventually(lambda: "loading" in self.log)
            time.sleep(0.5)
            os.kill(self.pid, early)
        self.url = self._read_url()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def write(self, **keys: Any) -> None:
        self.keys |= keys
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps(self.keys))
        draft.replace(self.file)

    def add_version(self, number: int) -> None:
        draft = self.models / "copying"
        shutil.copytree(SAVED_MODEL, draft)
        draft.rename(self.models / str(number))

    def eascmd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [EASCMD, *arguments, str(self.file)],
            check=False,
            capture_output=True,
            text=True,
            env=self.environment,
        )

    def instances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.eascmd("w", "--json").stdout)["instances"]
        return found

    def serves(self, version: int) -> bool:
        """Whether the one instance has that version, and answers."""
        return [Path(each["model"]).name for each in self.instances()] == [str(version)]

    def answers(self) -> bool:
        with urllib.request.urlopen(self.url, timeout=20) as response:
            return bool(response.status == 200)

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        eventually(lambda: not alive(self.pid))
        with contextlib.suppress(OSError):  # it may have been closed before
            os.close(self._output)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def exit_status(self) -> int:
        """Wait for its end."""
        pid, status = eventually(lambda: (ended := os.waitpid(self.pid, os.WNOHANG))[0] and ended)
        assert pid == self.pid
        return os.waitstatus_to_exitcode(status)

    def close_terminal(self) -> None:
        """Take its terminal away, as a window that is closed does."""
        os.close(self._output)

    def _read_url(self) -> str:
        seen = b""
        while b"\n" not in seen:
            piece = os.read(self._output, 4096)
            assert piece, f"it did not start: {self.log}"
            seen += piece
        line = seen.decode().split("\n")[0].strip()
        if line.startswith("{"):
            return str(json.loads(line)["url"])
        return line.removeprefix("Serving at: ")


def _spawn(
    command: list[str], environment: dict[str, str], log: Path, terminal: bool
) -> tuple[int, int]:
    """Start a process in a session of its own, with a terminal or a pipe; return pid and output."""
    if terminal:
        pid, output = pty.fork()
        if not pid:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests run under
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600), 2)
            os.execve(command[0], command, environment)
        return pid, output
    read, write = os.pipe()
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=write, stderr=errors, env=environment, start_new_session=True
        )
    os.close(write)
    return process.pid, read


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def start(*options: str, **keys: Any) -> Running:
        running.append(Running(tmp_path, *options, **keys))
        return running[-1]

    yield start
    for each in running:
        each.end()


def test_reload_rollback_and_sighup(run: Callable[..., Running]) -> None:
    service = run()
    (first,) = service.instances()
    assert first["state"] == "ready" and service.serves(1)

    service.write(metadata={"rpc": {"keepalive": 9000}})
    assert service.eascmd("reload").stdout == "changed without a restart (version 2)\n"
    assert service.instances()[0]["pid"] == first["pid"]

    service.add_version(2)
    done = service.eascmd("reload")
    assert done.stdout == "the new version has replaced the old one (version 3)\n", done.stderr
    assert service.serves(2) and service.answers()
    assert service.eascmd("rollback").returncode == 0
    assert service.serves(1)

    service.write(model_path=str(service.models / "none"))
    failed = service.eascmd("reload")
    assert failed.returncode == 1 and "none" in failed.stderr
    assert service.serves(1) and service.answers()
    table = service.eascmd("w").stdout
    assert "last reload" in table and "failed" in table

    service.write(model_path=str(service.models))
    os.kill(service.pid, signal.SIGHUP)
    eventually(lambda: service.serves(2))
    assert service.answers() and "Traceback" not in service.log


def test_a_terminal_that_is_gone_ends_the_service(run: Callable[..., Running]) -> None:
    service = run(terminal=True)
    service.close_terminal()
    assert service.exit_status() == 0


def test_a_reload_that_comes_too_early_is_made_later(run: Callable[..., Running]) -> None:
    service = run(early=signal.SIGHUP)
    eventually(lambda: "reload: nothing has changed" in service.log)
    assert service.answers()


def test_a_download_does_not_hold_up_the_end(run: Callable[..., Running]) -> None:
    service = run()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        service.write(model_path=f"http://127.0.0.1:{port}/model.tar.gz")
        os.kill(service.pid, signal.SIGHUP)
        connection, _ = listener.accept()
        os.kill(service.pid, signal.SIGTERM)
        assert service.exit_status() == 0
        connection.close()
    assert "Traceback" not in service.log


def test_watch_follows_the_file_and_the_newest_version(run: Callable[..., Running]) -> None:
    service = run("--watch")
    service.add_version(2)
    eventually(lambda: service.serves(2))
    service.write(metadata={"instance": 2})
    eventually(lambda: len(service.instances()) == 2)
    service.file.write_text("{")
    eventually(lambda: "reload failed" in service.log)
    assert service.answers()


def test_a_service_inline_says_that_it_cannot_be_changed(run: Callable[..., Running]) -> None:
    service = run("--inline")
    (only,) = service.instances()
    assert (only["pid"], only["state"]) == (service.pid, "ready")
    for command, says in (
        ("reload", "--inline cannot be changed"),
        ("rollback", "no previous version"),
    ):
        refused = service.eascmd(command)
        assert refused.returncode == 1 and says in refused.stderr
    os.kill(service.pid, signal.SIGHUP)
    eventually(lambda: service.log.count("--inline cannot be changed") == 2)
    assert service.answers()


def test_inline_and_watch_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text('{"name": "a", "model_path": "m", "processor": "tensorflow_cpu"}')
    done = subprocess.run(
        [EASCMD, "serve", str(path), "--inline", "--watch"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "EAS_HOME": str(tmp_path)},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("eascmd: --watch: ") and "leave one of the two out" in done.stderr
