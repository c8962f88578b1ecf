"""SIGTERM and Ctrl-C in every phase of a start and of a reload, also as a container's process 1."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from fixtures import need
from fixtures.many import EASCMD, Many, children, eventually, write_service
from fixtures.sandbox import in_sandbox, skip_unless_possible

from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.interpreters import find_interpreter
from eas_processor.errors import BuildError

# A stop takes less than a second, and one that waits for the phase would take ten minutes.
STOP_S = 30
PROCESSOR = """
import time

def reach(phase):
    if phase == {phase!r}:
        print("reached", flush=True)
        time.sleep(600)

reach("import")

def initialize(model_entry, model_config):
    reach("load")
    return b""

def process(model, request):
    reach("warm-up")
    return b"answer"
"""
HALF_AN_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000
)
PIECE = 64 * 2**20
PIECES = 24
"""To unpack that takes 2 s and more."""


class Engine:
    """`eascmd serve` of one service, alone or in a sandbox, stopped in a phase of its start."""

    def __init__(self, many: Many, *, contained: bool) -> None:
        self.many = many
        self._contained = contained

    def signal(self, number: int) -> None:
        pid = self.many.pid
        os.kill(eventually(lambda: children(pid))[0] if self._contained else pid, number)

    def wait_for(self, condition: Callable[[], object]) -> None:
        eventually(lambda: condition() or self.many.process.poll() is not None)
        assert self.many.process.poll() is None, self.many.log

    def ends(self) -> None:
        """Wait for an end that is no failure and leaves nothing."""
        assert self.many.process.wait(STOP_S) == 0, self.many.log
        assert "Traceback" not in self.many.log
        assert self.many.left() == []


@pytest.fixture(params=["alone", "process 1"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Start a service whose processor stops in `phase`, with these keys in its file."""
    contained = request.param == "process 1"
    if contained:
        skip_unless_possible(tmp_path)
    (tmp_path / "warm_up").write_bytes(b"request")
    started: list[Engine] = []

    def make(phase: str, variables: Sequence[str] = (), **keys: object) -> Engine:
        (tmp_path / "processor.py").write_text(PROCESSOR.format(phase=phase))
        file = write(tmp_path, **keys)
        program: tuple[str, ...] = ("env", *variables, *EASCMD)
        if contained:
            program = in_sandbox(tmp_path, *program)
        started.append(Engine(Many(tmp_path, file, program=program), contained=contained))
        return started[-1]

    yield make
    for each in started:
        each.many.kill()
    shutil.rmtree(tmp_path / "models", ignore_errors=True)  # up to 1.5 GB


def write(directory: Path, **keys: object) -> Path:
    """Write the service file, also while the service runs."""
    processor = {"processor": "", "processor_path": "processor.py", "processor_type": "python"}
    more = {**processor, "warm_up_data_path": "warm_up", **keys}
    return write_service(directory / "service.json", **more)


@contextmanager
def stalled_server() -> Iterator[tuple[str, threading.Event]]:
    """Give the URL of a model of which a part is sent, and the event that it was."""
    asked, done = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(HALF_AN_ANSWER)
            asked.set()
            done.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/model.tar.gz", asked
        done.set()


def large_archive(path: Path) -> Path:
    """Write an archive that takes seconds to unpack, and milliseconds to write."""
    member = tarfile.TarInfo("weights")
    member.size = PIECES * PIECE
    piece = gzip.compress(b"x" * PIECE, 1)
    head = gzip.compress(member.tobuf())
    path.write_bytes(b"".join([head, *[piece] * PIECES, gzip.compress(bytes(1024))]))
    return path


BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@BOTH
@pytest.mark.parametrize("phase", ["import", "load", "warm-up"])
def test_while_the_processor(start: Callable[..., Engine], phase: str, number: int) -> None:
    engine = start(phase)
    engine.wait_for(lambda: "reached" in engine.many.log)
    engine.signal(number)
    engine.ends()


@BOTH
def test_while_a_build_is_made(start: Callable[..., Engine], tmp_path: Path, number: int) -> None:
    entry = find_entry("tensorflow_cpu_1.15")
    try:
        python = find_interpreter(entry.name, entry.pythons).path
    except BuildError as error:
        need.missing(str(error))
    with stalled_server() as (url, asked):
        index = [f"UV_DEFAULT_INDEX={url}", f"UV_CACHE_DIR={tmp_path / 'cache'}", "UV_NO_CONFIG=1"]
        path = f"PATH={python.parent}:{os.environ['PATH']}"
        keys = {"processor": entry.name, "processor_path": "", "processor_type": ""}
        engine = start("none", [*index, path], **keys)
        engine.wait_for(asked.is_set)
        engine.signal(number)
        engine.ends()


@BOTH
def test_while_the_model_is_downloaded(start: Callable[..., Engine], number: int) -> None:
    with stalled_server() as (url, asked):
        engine = start("none", model_path=url)
        engine.wait_for(asked.is_set)
        engine.signal(number)
        engine.ends()


@BOTH
def test_while_the_model_is_unpacked(
    start: Callable[..., Engine], tmp_path: Path, number: int
) -> None:
    engine = start("none", model_path=str(large_archive(tmp_path / "model.tar.gz")))
    engine.wait_for(lambda: list(tmp_path.glob("models/*/*.part")))
    engine.signal(number)
    engine.ends()
    assert list(tmp_path.glob("models/*/*.part")), "it was unpacked before it was stopped"


@BOTH
def test_while_a_reload_downloads_the_model(
    start: Callable[..., Engine], tmp_path: Path, number: int
) -> None:
    engine = start("none")
    engine.wait_for(lambda: engine.many.events)
    with stalled_server() as (url, asked):
        write(tmp_path, model_path=url)
        engine.signal(signal.SIGHUP)
        engine.wait_for(asked.is_set)
        engine.signal(number)
        engine.ends()


@BOTH
def test_while_a_reload_loads_the_model(
    start: Callable[..., Engine], tmp_path: Path, number: int
) -> None:
    engine = start("none")
    engine.wait_for(lambda: engine.many.events)
    (tmp_path / "processor.py").write_text(PROCESSOR.format(phase="load"))
    engine.signal(signal.SIGHUP)
    engine.wait_for(lambda: "reached" in engine.many.log)
    engine.signal(number)
    engine.ends()
