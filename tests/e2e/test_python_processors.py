"""A processor of the vendor's kind, as a service and as a script; nothing of it is TensorFlow's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.killers import Callee, Calls
from fixtures.engine import alive
from fixtures.many import EASCMD, FAST, Many, eventually, write_service

APP = """\
# -*- coding: utf-8 -*-
import json
import os

import allspark
from words import join


class MyProcessor(allspark.BaseProcessor):
    def initialize(self):
        with open(os.path.join(self.get_model_path(), 'weights.json')) as file:
            self.weights = json.load(file)

    def pre_proccess(self, data):
        x, y = data.split(b' ')
        return int(x), int(y)

    def post_process(self, data):
        return bytes(data, encoding='utf8')

    def process(self, data):
        if data == b'pid':
            return self.post_process(str(os.getpid())), 200
        if data.startswith(b'die'):
            os._exit(3)
        if data == b'fork':
            child = os.fork()
            if not child:
                os.execlp('sleep', 'sleep', '600')
            return self.post_process(str(child)), 200
        if data == b'tea':
            return b'a teapot', 418
        x, y = self.pre_proccess(data)
        return self.post_process(join(VERSION, x * self.weights[0] + y * self.weights[1])), 200


VERSION = 'first'
if __name__ == '__main__':
    # parameter worker_threads indicates concurrency of processing
    allspark.default_properties().put('rpc.keepalive', '10000')
    runner = MyProcessor(worker_threads=10)
    runner.run()
"""
ON_PORT = """\
import sys

from app import MyProcessor

if __name__ == '__main__':
    MyProcessor(worker_threads=10, endpoint=sys.argv[1]).run()
"""
LOAD_S = 2.0


def write_processor(directory: Path) -> Path:
    """Write a processor that has its model and a module of its own beside it."""
    directory.mkdir()
    (directory / "app.py").write_text(APP)
    (directory / "words.py").write_text("def join(*words):\n    return ' '.join(map(str, words))\n")
    (directory / "on_port.py").write_text(ON_PORT)
    (directory / "weights.json").write_text("[3, 1]")
    return directory


def service_file(home: Path) -> Path:
    keys = {"processor_path": "./mine", "processor_type": "python", "processor_entry": "app.py"}
    metadata = {**FAST["metadata"], "instance": 2}
    return write_service(home / "sums.json", **keys, metadata=metadata, processor="", model_path="")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    home = tmp_path_factory.mktemp("service")
    write_processor(home / "mine")
    engine = Many(home, service_file(home), program=EASCMD)
    yield engine
    engine.kill()


def sums(engine: Many) -> Callee:
    def right(body: bytes, answer: bytes) -> bool:
        x, y = map(int, body.split())
        return answer.split()[1:] == [b"%d" % (3 * x + y)]

    return Callee("sums", engine.token("sums"), lambda number: b"%d 5" % number, right)


@pytest.mark.parametrize(
    ("request_body", "status", "text"),
    [
        (b"2 105", 200, "first 111"),
        (b"tea", 418, "a teapot"),
        (b"2", 400, "process raised ValueError: not enough values to unpack (expected 2, got 1)"),
        (b"", 400, "process raised ValueError: not enough values to unpack (expected 2, got 1)"),
    ],
)
def test_it_answers_as_at_the_vendor(
    engine: Many, request_body: bytes, status: int, text: str
) -> None:
    assert engine.ask("sums", request_body) == (status, text)


def test_what_it_asks_for_and_does_not_get_is_logged_once(engine: Many) -> None:
    said = "asks for worker_threads=10 (has 5), rpc.keepalive=10000 (has 30000)"
    assert engine.ask("sums", b"1 1")[0] == 200
    assert engine.log.count(said) == 1


def test_what_it_has_forked_goes_with_its_worker(engine: Many) -> None:
    child = int(engine.ask("sums", b"fork")[1])
    assert alive(child)
    for pid in engine.pids("sums"):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(child))
    eventually(lambda: len(engine.pids("sums")) == 2)


def test_under_load_kills_and_an_update_fail_nothing_but_its_own_crashes(engine: Many) -> None:
    calls = Calls(engine, [sums(engine)], connections=8)
    for number in range(3):
        time.sleep(LOAD_S / 4)
        os.kill(engine.pids("sums")[0], signal.SIGKILL)
        status, text = engine.ask("sums", b"die %d" % number)
        assert status == 500 and "exit status 3" in text
    app = engine.home / "mine" / "app.py"
    app.write_text(APP.replace("'first'", "'second'"))
    reloaded = engine.eascmd("reload", "sums")
    assert reloaded.returncode == 0, reloaded.stderr
    assert engine.ask("sums", b"2 105") == (200, "second 111")
    time.sleep(LOAD_S / 4)
    calls.stop("3 kills, 3 crashes and an update")
    assert calls.failed == {}
    assert not engine.tracebacks


def test_a_version_that_cannot_be_loaded_leaves_the_old_one(engine: Many) -> None:
    before = engine.ask("sums", b"2 105")
    app = engine.home / "mine" / "app.py"
    kept = app.read_text()
    app.write_text(kept.replace("def process(self, data)", "def process(self)"))
    reloaded = engine.eascmd("reload", "sums")
    app.write_text(kept)
    assert reloaded.returncode == 1
    assert "`MyProcessor.process` takes (), expected a function of (data)" in reloaded.stderr
    assert engine.ask("sums", b"2 105") == before


# The same file as a script


class Script:
    """A processor that is run by a command, and prints where it listens."""

    def __init__(self, home: Path, *command: str, modules: str = "") -> None:
        environment = {**os.environ, "EAS_HOME": str(home), "PYTHONPATH": modules}
        self._log = home / "stderr"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=home / "mine",
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self._log.read_text()
        self.address = json.loads(line)["address"]

    def ask(self, path: str, body: bytes) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{self.address}{path}", body, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_processor(tmp_path / "mine")
    return tmp_path


def test_the_unchanged_file_is_served_by_a_command(home: Path) -> None:
    options = ["--host", "127.0.0.1", "--port", "0"]
    script = Script(home, *EASCMD, "processor", "run", "app.py", *options)
    fates: Counter[tuple[int, str]] = Counter()

    def ask() -> None:
        for _ in range(50):
            fates[script.ask("/test", b"2 105")] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    os.kill(int(script.ask("/any/path?at=all", b"pid")[1]), signal.SIGKILL)
    for each in threads:
        each.join()
    assert fates == {(200, "first 111"): 200}
    assert script.ask("/api/predict/service_name", b"2")[0] == 400
    assert script.stop() == 0


def test_python_runs_it_where_pythonpath_has_our_allspark(home: Path) -> None:
    environment = {**os.environ, "EAS_HOME": str(home)}
    found = subprocess.run(
        [*EASCMD, "processor", "path"], env=environment, capture_output=True, text=True, check=True
    )
    command = [sys.executable, "on_port.py", "127.0.0.1:0"]
    script = Script(home, *command, modules=found.stdout.strip())
    assert script.ask("/test", b"2 105") == (200, "first 111")
    assert script.stop() == 0


def test_what_cannot_be_run_is_said_in_one_sentence(home: Path) -> None:
    command = [*EASCMD, "processor", "run", str(home / "mine" / "words.py"), "--port", "0"]
    environment = {**os.environ, "EAS_HOME": str(home)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "words.py has no hook `initialize`, and no subclass of allspark" in ended.stderr
    assert "Traceback" not in ended.stderr
