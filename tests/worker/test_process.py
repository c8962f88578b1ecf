import os
import select
import signal
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


def test_a_process_dies_with_its_parent():
    child = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from eas_processor.worker import process\n"
        "process.die_with_parent(os.getppid())\n"
        "os.write(1, b'ready')\n"
        "sys.stdin.read()\n"
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
        assert running.stdout.read(5) == b"ready"
        running.kill()
        assert select.select([running.stdout], [], [], 30)[0]
        assert running.stdout.read() == b""


def test_what_is_forked_to_the_engine_survives_its_launcher_and_dies_with_the_engine():
    # Three processes: the engine, which adopts; a launcher, which ends at once; and the forked one.
    command = (
        "import ctypes, os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from eas_processor.worker import process\n"
        "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
        "engine = os.getpid()\n"
        "launcher = os.fork()\n"
        "if not launcher:\n"
        "    if process.fork_child_of(engine):\n"
        "        assert os.getppid() == engine\n"
        "        sys.stdin.readline()\n"
        "        os.write(1, b'alive')\n"
        "        sys.stdin.read()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(launcher, 0)[1] == 0\n"
        "os.write(1, b'ready')\n"
        "os.waitpid(-1, 0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command, REPOSITORY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout.read(5) == b"ready"
        running.stdin.write(b"\n")
        running.stdin.flush()
        assert running.stdout.read(5) == b"alive"
        running.kill()
        assert select.select([running.stdout], [], [], 30)[0]
        assert running.stdout.read() == b""


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
        "process.ignore_stop_signals()\n"
        "os.kill(os.getpid(), signal.SIGTERM), os.kill(os.getpid(), signal.SIGINT)\n"
        "os.execlp('sh', 'sh', '-c', 'echo still here; exec cat')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command, REPOSITORY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout.readline() == b"still here\n"
        running.terminate()
        assert running.wait(30) == -signal.SIGTERM
