import contextlib
import os
import select
import signal
import socket
import subprocess
import sys

import pytest

from eas_processor.link.codes import OK
from eas_processor.link.content import content_hash
from eas_processor.link.frames import (
    CHANNELS,
    FAILED,
    FORK,
    HEARTBEAT,
    LAUNCH,
    LINK_VERSION,
    READY,
    STOP,
)
from eas_processor.link.spec import WorkerSpec
from eas_processor.worker.process import FAILED_STATUS

pytestmark = pytest.mark.medium

HERE = os.path.dirname(os.path.abspath(__file__))
PROCESSORS = os.path.join(HERE, "..", "processors")


@contextlib.contextmanager
def stopped(pid):
    """Stop a process during the `with` block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_introduces_itself_when_the_hooks_are_imported(engine, code):
    hello, _ = engine.start("echo.py")
    pid = hello.pop("pid")
    assert pid == engine.launcher.pid
    assert hello == {
        "link": LINK_VERSION,
        "forks": True,
        "failure": "",
        "code": content_hash(code),
    }


def test_hooks_that_cannot_be_imported_are_reported_and_end_it(engine, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("import no_such_module_anywhere\n")
    hello, link = engine.start(str(path))
    assert "broken.py cannot be imported" in hello["failure"]
    assert "no_such_module_anywhere" in hello["failure"]
    assert link.closed()
    assert engine.launcher.wait(30) == 1


def test_forks_a_worker_for_each_launch(engine):
    _, launcher = engine.start("echo.py")
    first, second = engine.launch(launcher, number=1), engine.launch(launcher, number=2)
    assert len({engine.launcher.pid, first.pid, second.pid}) == 3
    assert os.getsid(first.pid) == first.pid
    assert first.ask(b"one") == (OK, b"one")
    assert second.ask(b"two") == (OK, b"two")


def test_a_worker_is_a_child_of_the_engine_which_learns_how_it_ended(engine):
    _, launcher = engine.start("echo.py")
    first, second = engine.launch(launcher, number=1), engine.launch(launcher, number=2)
    os.kill(first.pid, signal.SIGKILL)
    assert engine.exited(first.pid) == signal.SIGKILL
    second.control.send(STOP)
    assert engine.exited(second.pid) == 0


def test_the_end_of_a_worker_is_seen_though_its_sibling_lives(engine):
    _, launcher = engine.start("echo.py")
    first, second = engine.launch(launcher, number=1), engine.launch(launcher, number=2)
    for worker, other in ((first, second), (second, None)):
        os.kill(worker.pid, signal.SIGKILL)
        for link in (worker.data, worker.bulk, worker.control, worker.log):
            assert link.closed()
        if other:
            assert other.ask(b"still here") == (OK, b"still here")


def test_a_worker_holds_no_sockets_but_its_own(engine):
    _, launcher = engine.start("echo.py")
    engine.launch(launcher, number=1)
    worker = engine.launch(launcher, number=2)
    directory = f"/proc/{worker.pid}/fd"
    targets = {os.readlink(os.path.join(directory, fd)) for fd in os.listdir(directory)}
    assert len([target for target in targets if target.startswith("socket:")]) == 4


def test_processes_that_the_hooks_started_do_not_confuse_it(engine, tmp_path):
    path = tmp_path / "with_child.py"
    path.write_text(
        "import subprocess\n"
        "child = subprocess.Popen(['cat'], stdin=subprocess.PIPE)\n"
        "def initialize(entry, config): return entry\n"
        "def process(model, request): return b'%d' % child.pid\n"
    )
    launcher, worker = engine.worker(str(path))
    os.kill(int(worker.ask(b"")[1]), signal.SIGTERM)
    os.kill(worker.pid, signal.SIGKILL)
    assert engine.exited(worker.pid) == signal.SIGKILL
    assert engine.launch(launcher, number=2).kind == READY


@pytest.mark.parametrize("failing", ["the first", "the second"])
def test_a_fork_that_fails_is_reported_and_ends_nothing(engine, tmp_path, failing):
    path = tmp_path / "forks_fail.py"
    # A worker takes two forks: in the launcher, and in the process between.
    path.write_text(
        "import os\n"
        "fork, works, launcher = os.fork, [1, 1], os.getpid()\n"
        "def refuse_some():\n"
        "    between = os.getpid() != launcher\n"
        "    if not works and between is %s: raise BlockingIOError(11, os.strerror(11))\n"
        "    del works[:1]\n"
        "    return fork()\n"
        "os.fork = refuse_some\n"
        "def initialize(entry, config): return entry\n"
        "def process(model, request): return b'here'\n" % (failing == "the second")
    )
    _, launcher = engine.start(str(path))
    workers = [engine.launch(launcher, number=number) for number in range(3)]
    worker, refused = workers[0], workers[-1]
    assert refused.kind == FAILED
    assert refused.said == b"a worker cannot be forked: Resource temporarily unavailable"
    assert refused.control.closed()
    assert worker.ask(b"") == (OK, b"here")


def test_the_kernel_kills_a_worker_first_and_the_engine_last(engine):
    def points(pid):
        with open("/proc/%d/oom_score_adj" % pid) as file:
            return int(file.read())

    _, launcher = engine.start("echo.py")
    worker = engine.launch(launcher)
    copied, link, _ = engine.copy(launcher)
    own = points(os.getpid())
    assert points(engine.launcher.pid) == points(copied["pid"]) == min(1000, own + 100)
    assert points(worker.pid) == points(engine.launch(link, number=2).pid) == min(1000, own + 300)


def test_a_copy_forks_workers_too_also_when_the_first_is_dead(engine, code):
    hello, launcher = engine.start("echo.py")
    worker = engine.launch(launcher, number=1)
    copied, link, output = engine.copy(launcher)
    assert copied["pid"] != engine.launcher.pid and os.getsid(copied["pid"]) == copied["pid"]
    assert {**copied, "pid": 0} == {**hello, "pid": 0}
    os.kill(engine.launcher.pid, signal.SIGKILL)
    engine.launcher.wait()
    assert worker.ask(b"still here") == (OK, b"still here")
    second = engine.launch(link, number=2)
    assert second.ask(b"of the copy") == (OK, b"of the copy")
    again, link, _ = engine.copy(link)
    assert engine.launch(link, number=3).ask(b"of its copy") == (OK, b"of its copy")
    for pid in (copied["pid"], again["pid"]):
        os.kill(pid, signal.SIGKILL)
    assert output.closed(), "nothing but the copy holds its output open"
    assert second.ask(b"still here") == (OK, b"still here")


def test_a_copy_takes_nothing_that_was_for_its_original(engine):
    _, launcher = engine.start("echo.py")
    (link, _output), theirs = engine._pairs(2)
    ours, for_worker = engine._pairs(len(CHANNELS))
    spec = WorkerSpec(1, "", "", 1, 1, 0.0, False, {})
    with stopped(engine.launcher.pid):
        launcher.send_with(FORK, b"", theirs)
        launcher.send_with(LAUNCH, spec.pack(), for_worker)
    assert engine._hello(link)["forks"] is True
    assert engine._hello(ours[0])["pid"] not in (engine.launcher.pid, os.getpid())
    kind, _, _, _ = ours[0].next(HEARTBEAT)
    assert kind == READY
    assert engine.launch(link, number=2).kind == READY


def test_the_requests_to_stop_are_left_to_the_engine(engine):
    _, worker = engine.worker()
    for pid in (engine.launcher.pid, worker.pid):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    assert worker.ask(b"still here") == (OK, b"still here")
    assert engine.launcher.poll() is None


def test_where_threads_run_after_the_import_it_becomes_the_worker(engine):
    hello, launcher = engine.start("threaded.py")
    assert hello["forks"] is False
    worker = engine.launch(launcher)
    assert worker.pid == engine.launcher.pid
    assert worker.ask(b"hello") == (OK, b"hello")
    worker.control.send(STOP)
    assert engine.launcher.wait(30) == 0


@pytest.mark.parametrize("hooks", ["echo.py", "threaded.py"])
def test_without_an_engine_no_process_is_left(engine, hooks):
    engine.worker(hooks)
    engine.vanish()
    assert engine.all_gone()


@pytest.mark.parametrize("hooks", ["echo.py", "threaded.py"])
def test_a_killed_engine_leaves_no_process(code, hooks):
    lifeline, inherited = os.pipe()
    engine = subprocess.Popen(
        [sys.executable, os.path.join(HERE, "engine_process.py"), code]
        + [os.path.join(PROCESSORS, hooks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[inherited],
    )
    os.close(inherited)
    with engine, open(lifeline, "rb") as every_process:
        assert engine.stdout.readline() == b"ready\n"
        engine.kill()
        assert select.select([every_process], [], [], 30)[0]


def test_where_the_engine_is_gone_already_nothing_is_imported(code):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            [sys.executable, "-uv", "-sE", code, "echo.py", str(theirs.fileno()), "1"],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert done.returncode == FAILED_STATUS
    assert b"import 'eas_processor.worker.process'" in done.stderr
    assert b"import 'numpy'" not in done.stderr


def test_an_engine_that_ends_before_the_hooks_are_imported_leaves_nothing(code):
    ours, theirs = socket.socketpair()
    ours.close()
    command = [sys.executable, "-sE", code, os.path.join(PROCESSORS, "echo.py")]
    with theirs:
        done = subprocess.run(
            command + [str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            check=False,
            timeout=60,
        )
    assert done.returncode == 0


def test_a_worker_that_cannot_load_its_model_says_why_and_waits(engine):
    _, launcher = engine.start("echo.py")
    worker = engine.launch(launcher, config="refuse")
    assert (worker.kind, worker.said) == (FAILED, b"this model is refused")
    worker.control.send(STOP)
    assert engine.exited(worker.pid) == 0


def test_a_python_without_numpy_is_told_in_a_sentence(code):
    # -S: without what is installed.
    command = [sys.executable, "-sES", code, "echo.py", "0", str(os.getpid())]
    ended = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(sys.executable.encode() + b" has no numpy, which workers need: ")
    assert ended.stderr.count(b"\n") == 1
