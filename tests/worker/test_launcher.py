import os
import select
import signal
import subprocess
import sys

import pytest

from eas_processor.link.codes import OK
from eas_processor.link.content import content_hash
from eas_processor.link.frames import FAILED, LAUNCH, LINK_VERSION, READY, STOP
from eas_processor.link.spec import WorkerSpec

HERE = os.path.dirname(os.path.abspath(__file__))
PROCESSORS = os.path.join(HERE, "..", "processors")


def test_introduces_itself_when_the_hooks_are_imported(engine, code):
    hello, _ = engine.start("echo.py")
    pid = hello.pop("pid")
    assert pid == engine.launcher.pid
    assert hello == {
        "link": LINK_VERSION,
        "channel": "launcher",
        "launcher": 7,
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


def test_reports_how_a_worker_ended(engine):
    launcher, worker = engine.worker()
    os.kill(worker.pid, signal.SIGKILL)
    assert engine.exited(launcher) == {"instance": 1, "pid": worker.pid, "status": signal.SIGKILL}


def test_reports_a_worker_that_stops_as_asked(engine):
    launcher, worker = engine.worker()
    worker.control.send(STOP)
    assert engine.exited(launcher) == {"instance": 1, "pid": worker.pid, "status": 0}


def test_reports_every_worker_of_several_that_end_together(engine):
    _, launcher = engine.start("echo.py")
    workers = [engine.launch(launcher, number=number) for number in (1, 2, 3)]
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    assert {engine.exited(launcher)["instance"] for _ in workers} == {1, 2, 3}


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
    assert engine.exited(launcher) == {"instance": 1, "pid": worker.pid, "status": signal.SIGKILL}
    assert engine.launch(launcher, number=2).kind == READY


def test_a_fork_that_fails_is_reported_and_ends_nothing(engine, tmp_path):
    path = tmp_path / "second_fork_fails.py"
    path.write_text(
        "import os\n"
        "fork = os.fork\n"
        "def once():\n"
        "    def refuse(): raise BlockingIOError(11, 'Resource temporarily unavailable')\n"
        "    os.fork = refuse\n"
        "    return fork()\n"
        "os.fork = once\n"
        "def initialize(entry, config): return entry\n"
        "def process(model, request): return b'here'\n"
    )
    launcher, worker = engine.worker(str(path))
    launcher.send(LAUNCH, WorkerSpec(2, "", "", 1, 1, 0.0, False, {}).pack())
    assert engine.exited(launcher) == {"instance": 2, "pid": 0, "status": 71 << 8}
    assert b"cannot be forked: Resource temporarily" in engine.launcher.stdout.readline()
    assert worker.ask(b"") == (OK, b"here")


def test_the_requests_to_stop_are_left_to_the_engine(engine):
    _, worker = engine.worker()
    for pid in (engine.launcher.pid, worker.pid):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    assert worker.ask(b"still here") == (OK, b"still here")
    assert engine.launcher.poll() is None


def test_workers_end_with_their_launcher(engine):
    _, worker = engine.worker()
    engine.launcher.kill()
    assert worker.control.closed()
    assert engine.all_gone()


def test_where_threads_run_after_the_import_it_becomes_the_worker(engine):
    hello, launcher = engine.start("threaded.py")
    assert hello["forks"] is False
    worker = engine.launch(launcher)
    assert worker.pid == engine.launcher.pid
    assert worker.ask(b"hello") == (OK, b"hello")
    worker.control.send(STOP)
    assert engine.launcher.wait(30) == 0


@pytest.mark.parametrize("hooks", ["echo.py", "threaded.py"])
def test_without_an_engine_no_process_and_no_directory_is_left(engine, hooks):
    engine.worker(hooks)
    engine.vanish()
    assert engine.all_gone()
    assert not os.path.exists(engine.directory)


@pytest.mark.parametrize("hooks", ["echo.py", "threaded.py"])
def test_a_killed_engine_leaves_no_process(code, tmp_path, hooks):
    directory = tmp_path / "eas"
    directory.mkdir()
    launcher = [sys.executable, "-sE", code, str(directory / "link.sock")]
    launcher += [os.path.join(PROCESSORS, hooks), "7"]
    lifeline, inherited = os.pipe()
    engine = subprocess.Popen(
        [sys.executable, os.path.join(HERE, "engine_process.py")] + launcher,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[inherited],
    )
    os.close(inherited)
    with engine, open(lifeline, "rb") as every_process:
        assert engine.stdout.readline() == b"ready\n"
        engine.kill()
        assert select.select([every_process], [], [], 30)[0]
    # Where a worker cannot be forked, the kernel is quicker than the worker's clean-up.
    assert hooks == "threaded.py" or not directory.exists()


def test_an_engine_that_ends_before_the_hooks_are_imported_leaves_nothing(engine, code):
    engine.vanish()
    command = [sys.executable, "-sE", code, engine.path, os.path.join(PROCESSORS, "echo.py"), "7"]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    assert not os.path.exists(engine.directory)


def test_a_worker_that_cannot_load_its_model_says_why_and_waits(engine):
    _, launcher = engine.start("echo.py")
    worker = engine.launch(launcher, config="refuse")
    assert (worker.kind, worker.said) == (FAILED, b"this model is refused")
    worker.control.send(STOP)
    assert engine.exited(launcher)["status"] == 0
