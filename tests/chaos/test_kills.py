"""
Processes of many services are killed under load, and no call is lost.

Each attack lasts CHAOS_SECONDS (5 unless set); CHAOS_ROUNDS is how often a service comes and goes
(3 unless set), and CHAOS_SEED chooses who is killed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos.killers import (
    Callee,
    Calls,
    answered_within,
    busy_machine,
    descriptors,
    kill_at_random,
    memory_group,
    resident,
    steady_callee,
    stub_callee,
)
from e2e.test_builds import request_of
from fixtures.engine import alive
from fixtures.many import EASCMD, FAST, STUB_EASCMD, Many, eventually, says, write_service
from tf.data import network

from eas_processor import home as data_directory

pytestmark = pytest.mark.chaos
SECONDS = float(os.environ.get("CHAOS_SECONDS", "5"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))
SEED = int(os.environ.get("CHAOS_SEED", str(random.SystemRandom().randrange(1_000_000))))
IMPORT_S = 5.0
ANSWERS_S = 5.0
OLDER = "tensorflow_cpu_1.15"
MODELS = Path(network.__file__).parent / "models"
BODY = request_of("", images=network.IMAGES[:1])
GROWTH_MIB = 8


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Many]]:
    started: list[Many] = []

    def make(*files: Path, **how: Any) -> Many:
        started.append(Many(tmp_path, *files, **how))
        engine = started[-1]
        eventually(lambda: engine.get("/readyz")[0] == 200)
        return engine

    yield make
    for engine in started:
        engine.kill()


def real_service(path: Path, model: str = "2.21_ref", **keys: Any) -> Path:
    keys = {"processor": "tensorflow_cpu", "model_path": str(MODELS / model), **keys}
    return write_service(path, **keys)


def instances(number: int) -> dict[str, Any]:
    return {"metadata": {**FAST["metadata"], "instance": number}}


def real_callee(engine: Many, name: str) -> Callee:
    return steady_callee(engine, name, BODY)


def test_workers_outlive_their_launcher(start: Callable[..., Many], tmp_path: Path) -> None:
    engine = start(real_service(tmp_path / "a.json", **instances(2)), program=EASCMD)
    workers = engine.pids("a")
    assert len(workers) == 2

    def launchers() -> list[int]:
        return [pid for pid in engine.children() if pid not in workers]

    calls = Calls(engine, [real_callee(engine, "a")])
    for _ in range(10):
        eventually(lambda: len(launchers()) == 2)
        os.kill(launchers()[0], signal.SIGKILL)
        time.sleep(SECONDS / 12)
    calls.stop("the launcher killed 10 times")
    assert calls.failed == {}
    assert engine.pids("a") == workers and all(alive(pid) for pid in workers)
    eventually(lambda: len(launchers()) == 2)
    assert not engine.tracebacks


def test_launcher_and_spare_may_die_together(start: Callable[..., Many], tmp_path: Path) -> None:
    """Then the build is imported anew; the workers serve meanwhile, and one that dies comes back"""
    engine = start(real_service(tmp_path / "a.json", **instances(2)), program=EASCMD)
    workers = engine.pids("a")
    calls = Calls(engine, [real_callee(engine, "a")])
    for pid in [pid for pid in engine.children() if pid not in workers]:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    assert engine.pids("a") == workers
    os.kill(workers[0], signal.SIGKILL)
    eventually(lambda: len(set(engine.pids("a")) - set(workers)) == 1)
    eventually(lambda: {each["state"] for each in engine.instances("a")} == {"ready"})
    eventually(lambda: len(engine.pids("a")) == 2)
    calls.stop("launcher, spare and a worker killed")
    assert calls.failed == {}


def survive_kills(engine: Many, callees: list[Callee]) -> None:
    """Kill at random on a busy machine, and look at what became of the calls."""
    with busy_machine(IMPORT_S):
        calls = Calls(engine, callees)
        last = kill_at_random(engine, SECONDS, 2.0, SEED)
        waited = {each.name: answered_within(engine, each) for each in callees}
        took = time.monotonic() - last
        time.sleep(1)
        calls.stop(f"kills for {SECONDS:g} s")
    print(f"{took:.2f} s after the last kill all had answered: {waited}")
    assert calls.failed == {}
    assert max(waited.values()) < ANSWERS_S
    assert not engine.tracebacks


@pytest.mark.parametrize("number", [1, 2])
def test_whoever_has_tensorflow_is_killed(
    start: Callable[..., Many], tmp_path: Path, number: int
) -> None:
    engine = start(real_service(tmp_path / "a.json", **instances(number)), program=EASCMD)
    survive_kills(engine, [real_callee(engine, "a")])


def test_the_same_with_three_services_of_two_builds(
    start: Callable[..., Many], tmp_path: Path
) -> None:
    files = [real_service(tmp_path / f"{name}.json") for name in ("a", "b")]
    kept = data_directory.home() / "builds"
    if (kept / OLDER).exists():
        (tmp_path / "builds").symlink_to(kept)
        files.append(real_service(tmp_path / "c.json", "1.15_ref", processor=OLDER))
    else:
        files.append(write_service(tmp_path / "c.json"))
    engine = start(*files, program=STUB_EASCMD)
    last = real_callee if (kept / OLDER).exists() else stub_callee
    survive_kills(engine, [real_callee(engine, "a"), real_callee(engine, "b"), last(engine, "c")])


# One does badly, the others do not notice


@pytest.mark.parametrize(
    ("load", "reason"), [("abort", "SIGABRT"), ("refuse", "this model does not load")]
)
def test_a_model_that_does_not_load_harms_nobody(
    start: Callable[..., Many], tmp_path: Path, load: str, reason: str
) -> None:
    good = write_service(tmp_path / "good.json", **instances(2))
    bad = write_service(tmp_path / "bad.json", model_config=says("bad", load=load))
    engine = start(good, bad)
    before = engine.pids("good")
    calls = Calls(engine, [stub_callee(engine, "good")], connections=16)
    time.sleep(SECONDS / 3)
    status, text = engine.ask("bad")
    assert status == 503 and reason in text
    assert reason in engine.services()["bad"]["reason"]
    calls.stop(f"beside a model that does {load}")
    assert calls.failed == {}
    assert engine.pids("good") == before


def test_a_broken_service_is_mended_under_load(start: Callable[..., Many], tmp_path: Path) -> None:
    needed = tmp_path / "needed"
    good = write_service(tmp_path / "good.json")
    broken = write_service(tmp_path / "broken.json", model_config=says("b", needs=str(needed)))
    engine = start(good, broken)
    calls = Calls(engine, [stub_callee(engine, "good")], connections=8)
    time.sleep(SECONDS / 2)
    assert engine.ask("broken")[0] == 503
    needed.touch()
    eventually(lambda: engine.ask("broken", b"x") == (200, "b x"), within=30)
    calls.stop("beside one that is mended")
    assert calls.failed == {}


def test_requests_that_kill_one_service_are_not_felt_by_another(
    start: Callable[..., Many], tmp_path: Path
) -> None:
    files = [write_service(tmp_path / f"{name}.json", **instances(2)) for name in ("a", "b")]
    engine = start(*files)
    other = engine.pids("b")
    calls = Calls(engine, [stub_callee(engine, name) for name in ("a", "b")], connections=16)
    for number in range(10):
        status, text = engine.ask("a", b"die %d" % number)
        assert status == 500 and "crashed" in text
        time.sleep(SECONDS / 40)
    calls.stop("10 calls that kill a worker of a")
    assert calls.failed == {}
    assert engine.pids("b") == other


def test_a_worker_that_the_kernel_kills_for_memory(
    start: Callable[..., Many], tmp_path: Path
) -> None:
    good = write_service(tmp_path / "good.json", **instances(2))
    hog = write_service(tmp_path / "hog.json", model_config=says("hog", load="hog"))
    with memory_group(600 * 2**20) as members:
        engine = start(good, hog, preexec_fn=lambda: members.write_text(str(os.getpid())) and None)
        calls = Calls(engine, [stub_callee(engine, "good")], connections=16)
        before = engine.pids("good")
        eventually(lambda: "memory" in engine.services()["hog"]["reason"])
        time.sleep(SECONDS / 2)
        status, text = engine.ask("hog")
        calls.stop("beside one that the kernel kills for memory")
        engine.kill()
    assert status == 503 and "memory" in text
    assert calls.failed == {}
    assert before and not engine.tracebacks


# Services come and go


def test_services_that_come_and_go_leave_nothing(
    start: Callable[..., Many], tmp_path: Path
) -> None:
    directory = tmp_path / "services"
    directory.mkdir()
    write_service(directory / "steady.json", **instances(2))
    write_service(directory / "bad.json", model_config=says("bad", load="refuse"))
    engine = start(directory, "--watch")
    steady = engine.pids("steady")
    calls = Calls(engine, [stub_callee(engine, "steady")], connections=8)
    figures = []
    for number in range(ROUNDS):
        file = write_service(directory / "guest.json", model_config=says(f"guest{number}"))
        eventually(lambda: engine.state("guest") == "serving")
        assert engine.ask("guest", b"x") == (200, f"guest{number} x")
        write_service(file, model_config=says("changed"), **instances(1 + number % 2))
        eventually(lambda: engine.ask("guest", b"x") == (200, "changed x"))
        file.unlink()
        eventually(lambda: "guest" not in engine.services())
        # The steady service's two workers, and the launcher with its spare; one may be loading.
        eventually(lambda: len(engine.children()) <= 5)
        figures.append((resident(engine.pid), descriptors(engine.pid)))
    calls.stop(f"{ROUNDS} services came and went")
    print("MiB and open files: " + ", ".join(f"{m:.1f} {d}" for m, d in figures))
    assert calls.failed == {}
    assert engine.pids("steady") == steady
    settled = figures[len(figures) // 3 :]
    assert settled[-1][0] - min(m for m, _ in settled) < GROWTH_MIB
    # A start of the bad one may be under way, and holds a few.
    assert max(d for _, d in settled[-3:]) <= min(d for _, d in settled) + 16
    assert not engine.tracebacks
