"""Misbehaving hooks harm neither the worker's other requests nor the engine."""

import os
import signal

import pytest

from eas_processor.link.codes import INTERNAL, OK
from eas_processor.link.frames import PREDICT, STOP

pytestmark = pytest.mark.medium

PLAIN = "import os, time\ndef initialize(entry, config): return entry\n"


def write(tmp_path, source):
    path = tmp_path / "misbehaves.py"
    path.write_text(PLAIN + source)
    return str(path)


def test_standard_descriptors_that_are_closed_at_import_do_not_become_sockets(engine, tmp_path):
    source = "os.closerange(0, 3)\ndef process(model, request): return request\n"
    launcher, worker = engine.worker(write(tmp_path, source))
    assert worker.ask(b"body") == (OK, b"body")
    # Nor those of a copy of the launcher.
    copy = engine.copy(launcher)[1]
    assert engine.launch(copy).ask(b"body") == (OK, b"body")


@pytest.mark.parametrize("stream", ["None", "object()"])
def test_streams_replaced_at_import_keep_no_worker_from_starting(engine, tmp_path, stream):
    source = (
        "import sys\nsys.stdout = sys.stderr = %s\ndef process(model, request): return request\n"
    )
    launcher, worker = engine.worker(write(tmp_path, source % stream))
    assert worker.ask(b"body") == (OK, b"body")
    copy = engine.copy(launcher)[1]
    assert engine.launch(copy).ask(b"body") == (OK, b"body")


@pytest.mark.parametrize(
    "does", ["os.closerange(0, 3)", "os.chdir('/')", "os.umask(0o777)", "os.environ.clear()"]
)
def test_what_a_request_does_to_the_process_is_not_felt_by_the_next(engine, tmp_path, does):
    source = "def process(model, request):\n    %s\n    return request\n" % does
    _, worker = engine.worker(write(tmp_path, source))
    for number in range(5):
        assert worker.ask(b"body", number) == (OK, b"body")


@pytest.mark.parametrize("fault", ["exit(3)", "raise SystemExit", "raise KeyboardInterrupt"])
def test_an_exception_that_ends_programs_does_not_end_the_worker(engine, tmp_path, fault):
    source = "def process(model, request):\n    if request == b'end': %s\n    return request\n"
    _, worker = engine.worker(write(tmp_path, source % fault), threads=1)
    assert worker.ask(b"end")[0] == INTERNAL
    assert worker.ask(b"body") == (OK, b"body")


def test_a_forked_child_that_comes_back_answers_nothing(engine, tmp_path):
    source = (
        "def process(model, request):\n"
        "    children.append(os.fork())\n"
        "    if request == b'last': return b'%d' % len(set(map(status, children)))\n"
        "    return request\n"
        "children = []\n"
        "def status(child): return os.waitpid(child, 0)[1]\n"
    )
    _, worker = engine.worker(write(tmp_path, source), threads=1)
    for number in range(20):
        assert worker.ask(b"body", number) == (OK, b"body")
    # All have ended, and with the same status.
    assert worker.ask(b"last") == (OK, b"1")


@pytest.mark.parametrize(
    "start",
    [
        "child = os.fork()\n    if not child: time.sleep(600)\n",
        "child = os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '600')\n",
        "import subprocess; child = subprocess.Popen(['sleep', '600']).pid\n",
        "import multiprocessing as m\n"
        "    one = m.get_context('fork').Process(target=time.sleep, args=[600])\n"
        "    one.start(); child = one.pid\n",
    ],
    ids=["fork", "spawn", "subprocess", "multiprocessing"],
)
def test_what_it_starts_does_not_hold_the_sockets_of_a_worker_that_dies(engine, tmp_path, start):
    source = "def process(model, request):\n    %s    return b'%%d' %% child\n" % start
    _, worker = engine.worker(write(tmp_path, source))
    child = int(worker.ask(b"")[1])
    try:
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.data.closed() and worker.bulk.closed() and worker.control.closed()
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)


def test_os_exit_ends_its_own_worker(engine, tmp_path):
    source = "def process(model, request):\n    os._exit(5)\n"
    launcher, worker = engine.worker(write(tmp_path, source))
    worker.data.send(PREDICT, b"", 1)
    assert engine.exited(worker.pid) == 5 << 8
    assert engine.launch(launcher).pid


def test_shutdown_is_called_when_the_engine_asks_for_the_end(engine, tmp_path):
    source = (
        "def process(model, request): return request\n"
        "def shutdown(model): open(%r, 'w').write(model)\n" % str(tmp_path / "said")
    )
    _, worker = engine.worker(write(tmp_path, source))
    worker.control.send(STOP)
    assert engine.exited(worker.pid) == 0
    assert (tmp_path / "said").read_text() == "the model"
