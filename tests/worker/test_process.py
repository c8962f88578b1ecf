import os
import select
import signal
import socket
import subprocess
import sys

import pytest

from eas_processor.worker import process

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class Collector:
    """Stands in for the `gc` module."""

    def __init__(self):
        self.calls = []
        self.threshold = (700, 10, 10)

    def collect(self):
        self.calls.append("collect")

    def get_threshold(self):
        return self.threshold

    def set_threshold(self, *threshold):
        self.threshold = threshold


class FreezingCollector(Collector):
    def freeze(self):
        self.calls.append("freeze")


class Clock:
    """Stands in for the `time` module."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(process, "time", clock)
    return clock


@pytest.fixture
def socket_path(tmp_path):
    directory = tmp_path / "eas"
    directory.mkdir()
    return str(directory / "link.sock")


def test_from_37_on_the_collector_freezes_what_was_loaded(monkeypatch, clock):
    gc = FreezingCollector()
    monkeypatch.setattr(process, "gc", gc)
    collector = process.GarbageCollector()
    collector.settle()
    assert gc.calls == ["collect", "freeze"]
    clock.now = 1000.0
    collector.idle()
    assert gc.calls == ["collect", "freeze"]


def test_in_36_only_young_objects_are_collected_until_a_long_idle_moment(monkeypatch, clock):
    gc = Collector()
    monkeypatch.setattr(process, "gc", gc)
    collector = process.GarbageCollector()
    collector.settle()
    assert gc.calls == ["collect"]
    assert gc.threshold[:2] == (700, 10)
    assert gc.threshold[2] > 1000000

    collector.idle()
    assert gc.calls == ["collect"]
    clock.now = 61.0
    collector.idle()
    collector.idle()
    assert gc.calls == ["collect", "collect"]


def test_the_thresholds_of_36_are_accepted_by_the_real_collector():
    command = (
        "import gc, sys; sys.path.insert(0, sys.argv[1])\n"
        "vars(gc).pop('freeze', None)\n"
        "from eas_processor.worker import process\n"
        "process.GarbageCollector().settle()\n"
        "assert gc.isenabled() and gc.get_threshold()[2] > 1000000"
    )
    subprocess.run([sys.executable, "-c", command, REPOSITORY], check=True, timeout=60)


def test_the_directory_of_a_dead_engine_is_removed(socket_path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(socket_path)
    listener.close()
    process.remove_if_orphaned(socket_path)
    assert not os.path.exists(os.path.dirname(socket_path))


def test_the_directory_of_an_engine_that_dies_at_this_moment_is_removed(socket_path, monkeypatch):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(socket_path)
    listener.listen(1)

    class Probe(socket.socket):
        def connect(self, path):
            super().connect(path)
            listener.close()

    monkeypatch.setattr(socket, "socket", Probe)
    process.remove_if_orphaned(socket_path)
    assert not os.path.exists(os.path.dirname(socket_path))


def test_the_directory_of_a_living_engine_stays(socket_path, monkeypatch):
    monkeypatch.setattr(process, "_DEATH_S", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(socket_path)
        listener.listen(1)
        process.remove_if_orphaned(socket_path)
        assert os.path.exists(socket_path)


def test_a_directory_that_holds_anything_else_stays(socket_path):
    other = os.path.join(os.path.dirname(socket_path), "other")
    with open(other, "w"):
        process.remove_if_orphaned(socket_path)
    assert os.path.exists(other)


def test_a_directory_that_is_gone_is_no_matter(socket_path):
    os.rmdir(os.path.dirname(socket_path))
    process.remove_if_orphaned(socket_path)


@pytest.mark.parametrize("undo, survives", [("", False), ("process.outlive_parent()", True)])
def test_a_process_dies_with_its_parent_unless_that_is_undone(undo, survives):
    child = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from eas_processor.worker import process\n"
        "process.die_with_parent()\n" + undo + "\n"
        "os.write(1, b'ready %d\\n' % os.getpid())\n"
        "sys.stdin.read()\n"
        "os.write(1, b'end')\n"
    )
    parent = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]]).wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, child, REPOSITORY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdout.readline().startswith(b"ready")
        running.kill()
        if survives:
            running.stdin.close()
        assert select.select([running.stdout], [], [], 30)[0]
        assert running.stdout.read() == (b"end" if survives else b"")


def test_a_process_whose_parent_is_gone_already_ends():
    command = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from eas_processor.worker import process\n"
        "process.die_with_parent(os.getppid() + 1)\n"
    )
    ended = subprocess.run([sys.executable, "-c", command, REPOSITORY], check=False, timeout=60)
    assert ended.returncode == process.FAILED_STATUS


def test_a_process_that_nobody_reads_ends_all_the_same():
    command = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from eas_processor.worker import process\n"
        "sys.stdin.read()\n"
        "sys.stdout.write('unread')\n"
        "process.end(3)\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-E", "-c", command, REPOSITORY],  # no PYTHONUNBUFFERED
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with running:
        running.stdout.close()
        running.stdin.close()
        assert running.wait(30) == 3


def test_one_thread_is_counted_as_one():
    command = (
        "import sys, threading; sys.path.insert(0, sys.argv[1])\n"
        "from eas_processor.worker import process\n"
        "assert process.thread_count() == 1\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "assert process.thread_count() == 2\n"
    )
    subprocess.run([sys.executable, "-c", command, REPOSITORY], check=True, timeout=60)


def test_signals_are_left_to_the_engine_but_not_by_programs_that_are_started():
    command = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "from eas_processor.worker import process\n"
        "process.leave_signals_to_engine()\n"
        "os.kill(os.getpid(), signal.SIGTERM), os.kill(os.getpid(), signal.SIGINT)\n"
        "os.execlp('sh', 'sh', '-c', 'echo still here; exec cat')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command, REPOSITORY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout.readline() == b"still here\n"
        running.terminate()
        assert running.wait(30) == -signal.SIGTERM
