"""The lives of instances, with real workers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from eas_processor.contracts.backend import State
from eas_processor.contracts.call import Call
from eas_processor.contracts.counters import ServiceMetrics
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import StartError, WarmUpError
from eas_processor.instances import liveness as liveness_module
from eas_processor.instances import starts
from eas_processor.instances import supervisor as module
from eas_processor.instances.instance import Instance
from eas_processor.instances.launcher import Launcher
from eas_processor.instances.machine import Machine
from eas_processor.instances.supervisor import Supervisor
from eas_processor.link import codes
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON
from eas_processor.serving.admission import Admission
from eas_processor.serving.budget import Budget

pytestmark = pytest.mark.medium

BUDGET = Budget(64 * 1024 * 1024, 0)


@pytest.fixture
def processors() -> Path:
    return Path(__file__).parents[1] / "processors"


class ARequest(Call):
    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = [body]
        self.size = len(body)
        self.deadline = monotonic() + 60
        self.answered: asyncio.Future[tuple[int, bytes]] = asyncio.Future()

    def answer(self, status: int, payload: list[bytes]) -> None:
        self.answered.set_result((status, b"".join(payload)))


class Desk:
    """A supervisor with its admission."""

    def __init__(self, settings: ServiceSettings, start_timeout: float) -> None:
        self.admission = Admission(settings)
        self.machine = Machine()
        self.supervisor = Supervisor(settings, self.admission, self.machine, start_timeout, BUDGET)

    @property
    def instances(self) -> list[Instance]:
        return list(self.supervisor._instances.values())

    @property
    def pids(self) -> set[int]:
        return {each.pid for each in self.instances}

    def ask(self, body: bytes) -> asyncio.Future[tuple[int, bytes]]:
        request = ARequest(body)
        self.admission.submit(request, monotonic())
        return request.answered


@asynccontextmanager
async def supervised(settings: ServiceSettings, start_timeout: float = 60) -> AsyncIterator[Desk]:
    desk = Desk(settings, start_timeout)
    try:
        await desk.supervisor.start()
        yield desk
    finally:
        await desk.supervisor.stop()
        assert desk.instances == []
        await desk.machine.stop()


# Starting


async def test_an_instance_answers_and_describes_its_model(real_service: Any) -> None:
    async with supervised(real_service()) as desk:
        assert await desk.ask(b"hello") == (codes.OK, b"hello")
        assert await desk.ask(b"refuse") == (
            codes.PROCESSOR,
            codes.pack_status(400, b"refused as asked"),
        )
        large = b"grow 300000" + b" " * 100_000
        assert await desk.ask(large) == (codes.OK, b"x" * 300_000)
        assert "echo" in desk.supervisor.info["info"]


async def test_a_worker_has_the_engines_environment_without_its_secrets(
    real_service: Any, processors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EAS_TOKEN", "secret")
    monkeypatch.setenv("TF_MINE", "1")
    hooks = str(processors / "environment.py")
    async with supervised(real_service(hooks=hooks)) as desk:
        names = (await desk.ask(b"names"))[1].split()
    assert b"TF_MINE" in names and b"PATH" in names
    assert b"EAS_TOKEN" not in names


async def test_the_log_says_which_instance_and_build_printed_a_line(
    real_service: Any, processors: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    hooks = str(processors / "environment.py")
    async with supervised(real_service(hooks=hooks, build="echo_1.0")) as desk:
        await desk.ask(b"hello")
        (number,) = [each.number for each in desk.instances]
    assert f"instance {number} (echo_1.0) is ready" in caplog.text
    assert f"instance {number} (echo_1.0): asked for hello" in caplog.text
    assert f"instance {number} (echo_1.0): looks odd" in caplog.text


@pytest.mark.parametrize("hooks", ["gate_hooks", "threaded_hooks"])
async def test_several_instances_are_several_processes(
    real_service: Any, hooks: str, request: pytest.FixtureRequest
) -> None:
    settings = real_service(instances=3, hooks=request.getfixturevalue(hooks))
    async with supervised(settings) as desk:
        assert len(desk.pids) == 3
        answers = await asyncio.gather(*(desk.ask(b"%d" % number) for number in range(30)))
        assert answers == [(codes.OK, b"%d" % number) for number in range(30)]


@pytest.mark.parametrize(
    ("model_config", "words"),
    [
        ("refuse", "this model is refused"),
        ("fail", "failed to load the model: RuntimeError: initialize fails"),
        ("die", r"died while it loaded the model \(killed by SIGABRT\)"),
        ("check", r"loaded the model \(killed by SIGABRT\): Check failed: rows > 0$"),
    ],
)
@pytest.mark.parametrize("instances", [1, 2])
async def test_a_model_that_does_not_load_ends_the_start(
    real_service: Any, model_config: str, words: str, instances: int
) -> None:
    settings = real_service(model_config=model_config, instances=instances)
    with pytest.raises(StartError, match=words):
        async with supervised(settings):
            pass


async def test_a_build_that_does_not_import_ends_the_start_of_all(real_service: Any) -> None:
    with pytest.raises(StartError, match="no_such_module"):
        async with supervised(real_service(hooks="no_such_module", instances=3)):
            pass


async def test_a_model_that_loads_for_ever_ends_the_start(
    real_service: Any, gate_hooks: str, gate: Any
) -> None:
    settings = real_service(hooks=gate_hooks, model_config=gate.command)
    with pytest.raises(StartError, match="did not load and warm up within 1 s"):
        async with supervised(settings, start_timeout=1):
            pass


async def test_a_worker_that_lives_on_without_its_sockets_ends_the_start(
    real_service: Any, gate_hooks: str
) -> None:
    # The engine kills it, which is not somebody else's kill: that would be tried again for ever.
    settings = real_service(hooks=gate_hooks, model_config="mute")
    with pytest.raises(StartError, match="it closed its sockets"):
        async with supervised(settings):
            pass


async def test_a_launcher_that_never_introduces_itself_ends_the_start(
    real_service: Any, tmp_path: Path
) -> None:
    (tmp_path / "__main__.py").write_text("import signal; signal.pause()")
    settings = real_service()
    object.__setattr__(settings.worker, "code", tmp_path)
    with pytest.raises(StartError, match="within 0 s"):
        async with supervised(settings, start_timeout=0.2):
            pass


# Warm-up


async def test_each_warm_up_request_is_sent_five_times_to_each_instance(
    real_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, bytes]] = []
    send = Instance.send
    monkeypatch.setattr(
        Instance,
        "send",
        lambda self, each: (sent.append((self.number, *each.body)), send(self, each)),
    )
    # More than the queue has room for and than any client may wait: neither applies to warm-up.
    settings = real_service(warm_up=(b"one", b"two"), instances=2, max_queue_size=0, keepalive=0.0)
    async with supervised(settings) as desk:
        for each in desk.instances:
            mine = [body for number, body in sent if number == each.number]
            assert mine == [b"one"] * 5 + [b"two"] * 5


async def test_warm_up_is_told_in_the_log(
    real_service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "eas_processor")
    async with supervised(real_service(warm_up=(b"one", b"two"))):
        (record,) = [each for each in caplog.records if "warm-up" in each.getMessage()]
    said = record.getMessage()
    assert " answered 2 warm-up request(s), each 5 times, in " in said
    assert "the first took " in said and "the last " in said
    assert record.facts.keys() == {"requests", "first_ms", "last_ms"}  # type: ignore[attr-defined]


async def test_a_warm_up_request_in_json_is_sent_as_json(
    real_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    send = Instance.send
    monkeypatch.setattr(
        Instance, "send", lambda self, each: (sent.append(each.codec), send(self, each))
    )
    with contextlib.suppress(WarmUpError):  # these hooks read no JSON
        async with supervised(real_service(warm_up=(b"one", b'{"inputs": {}}'))):
            pass
    assert sent == [ARRAY_PROTO] * 5 + [EAS_JSON] * (len(sent) - 5)
    assert len(sent) > 5


async def test_a_refused_warm_up_ends_the_start(real_service: Any) -> None:
    words = "warm_up_data_path: request 2 of the file was refused with 400: refused as asked"
    with pytest.raises(WarmUpError, match=words):
        async with supervised(real_service(warm_up=(b"fine", b"refuse"))):
            pass


async def test_a_death_in_warm_up_ends_the_start(real_service: Any) -> None:
    with pytest.raises(StartError, match=r"the worker died \(killed by SIGABRT\)"):
        async with supervised(real_service(warm_up=(b"die",))):
            pass


async def test_a_warm_up_that_takes_too_long_stays_with_its_instance(
    real_service: Any, eventually_async: Any
) -> None:
    async with supervised(real_service()) as desk:
        desk.supervisor._start_timeout = 1.0
        with pytest.raises(StartError, match="did not load and warm up within 1 s"):
            await desk.supervisor.start_instance(real_service(warm_up=(b"sleep 60",)))
        await eventually_async(lambda: len(desk.instances) == 1)
        assert not desk.instances[0].held
        assert desk.admission.metrics.steps["receive"].noted == []


# Death and replacement


def _have_changed(desk: Desk, before: list[Instance]) -> bool:
    return desk.instances != before


@pytest.mark.parametrize("hooks", ["gate_hooks", "threaded_hooks"])
async def test_a_worker_that_dies_is_replaced(
    real_service: Any, hooks: str, request: pytest.FixtureRequest, eventually_async: Any
) -> None:
    async with supervised(real_service(hooks=request.getfixturevalue(hooks))) as desk:
        for _ in range(3):
            before = desk.instances
            os.kill(*desk.pids, signal.SIGKILL)
            await eventually_async(partial(_have_changed, desk, before))
            assert await desk.ask(b"hello") == (codes.OK, b"hello")
        assert len(desk.machine.launchers) <= 1


async def _kill(desk: Desk, gate: Any, eventually_async: Any) -> None:
    """Kill the worker at the gate, which is opened before the next one can stand there."""
    (pid,) = desk.pids
    os.kill(pid, signal.SIGKILL)
    gate.open()
    await eventually_async(lambda: pid not in desk.pids)


async def test_requests_caught_in_a_death_are_tried_again(
    real_service: Any, gate_hooks: str, gate: Any, eventually_async: Any
) -> None:
    async with supervised(real_service(hooks=gate_hooks, threads=1)) as desk:
        caught, waiting = desk.ask(gate.command.encode()), desk.ask(b"hello")
        await eventually_async(gate.reached)
        await _kill(desk, gate, eventually_async)
        await eventually_async(gate.reached)
        gate.open()
        assert await waiting == (codes.OK, b"hello")
        assert await caught == (codes.OK, gate.command.encode())
        metrics = desk.admission.metrics
        assert (metrics.deaths, metrics.restarts) == (1, 1) and metrics.retries >= 1
        (dead,) = desk.supervisor.dead
        assert dead["exit"] == "killed by SIGKILL" and dead["instance"] == 1
        assert dead["reason"] == "the worker died (killed by SIGKILL)"


@pytest.mark.parametrize("changes", [{"retry_crashed": False}, {"restart_crashed": False}])
async def test_requests_caught_in_a_death_can_be_refused_instead(
    real_service: Any, gate_hooks: str, gate: Any, eventually_async: Any, changes: Any
) -> None:
    async with supervised(real_service(hooks=gate_hooks, threads=1, **changes)) as desk:
        caught = desk.ask(gate.command.encode())
        await eventually_async(gate.reached)
        os.kill(*desk.pids, signal.SIGKILL)
        status, sentence = await caught
        assert status == codes.UNAVAILABLE and b"killed by SIGKILL" in sentence


@pytest.mark.parametrize("instances", [1, 2])
async def test_a_poison_request_takes_no_neighbour_along(
    real_service: Any, instances: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings = real_service(threads=8, batch_size=8, instances=instances, max_queue_size=1000)
    async with supervised(settings) as desk:
        bodies = [b"die %d" % each if each % 20 == 9 else b"%d" % each for each in range(60)]
        asked = [desk.ask(each) for each in bodies]
        answers = await asyncio.gather(*asked)
        for number, (status, body) in enumerate(answers):
            if number % 20 == 9:
                assert status == codes.INTERNAL and b"crashed (killed by SIGABRT)" in body
            else:
                assert (status, body) == (codes.OK, b"%d" % number)
    found = [each.facts for each in caplog.records if "poison" in each.message]  # type: ignore[attr-defined]
    poison = [body for body in bodies if body.startswith(b"die")]
    expected = [
        {
            "service": "echo",
            "sha256": sha256(body).hexdigest(),
            "bytes": len(body),
            "how": "killed by SIGABRT",
        }
        for body in poison
    ]
    assert len(found) == 3 and all(each in found for each in expected)


async def test_a_poison_request_that_comes_again_costs_no_worker(real_service: Any) -> None:
    async with supervised(real_service(threads=2)) as desk:
        assert (await desk.ask(b"die"))[0] == codes.INTERNAL
        deaths = desk.admission.metrics.deaths
        assert [(await desk.ask(b"die"))[0] for _ in range(3)] == [codes.INTERNAL] * 3
        assert await desk.ask(b"lie") == (codes.OK, b"lie")
        assert desk.admission.metrics.deaths == deaths
        desk.admission.configure(real_service())
        assert (await desk.ask(b"die"))[0] == codes.INTERNAL
        assert desk.admission.metrics.deaths > deaths


async def test_large_bodies_are_tried_again_too(real_service: Any) -> None:
    async with supervised(real_service(threads=8)) as desk:
        large = [desk.ask(b"%d " % number + b"." * 300_000) for number in range(7)]
        poison = desk.ask(b"die " + b"." * 2_000_000)
        answers = await asyncio.gather(*large)
        assert [body[:2] for _, body in answers] == [b"%d " % number for number in range(7)]
        assert {status for status, _ in answers} == {codes.OK}
        assert (await poison)[0] == codes.INTERNAL


async def test_only_the_second_kill_from_outside_condemns_a_request(
    real_service: Any, gate_hooks: str, gate: Any, eventually_async: Any
) -> None:
    async with supervised(real_service(hooks=gate_hooks, threads=1)) as desk:
        asked = desk.ask(gate.command.encode())
        for _ in range(3):
            await eventually_async(gate.reached)
            assert not asked.done()
            await _kill(desk, gate, eventually_async)
        assert (await asked)[0] == codes.INTERNAL
        assert await desk.ask(b"hello") == (codes.OK, b"hello")


async def test_a_death_under_load_loses_nothing(real_service: Any) -> None:
    async with supervised(real_service(max_queue_size=10_000, instances=2)) as desk:
        asked = [desk.ask(b"%d" % number) for number in range(2000)]
        await asked[100]
        os.kill(min(desk.pids), signal.SIGKILL)
        answers = await asyncio.gather(*asked)
        assert answers == [(codes.OK, b"%d" % number) for number in range(2000)]


@pytest.mark.parametrize(
    ("retry_crashed", "status"), [(True, codes.OK), (False, codes.UNAVAILABLE)]
)
async def test_what_an_instance_could_not_finish_in_its_time_goes_on_elsewhere(
    real_service: Any,
    gate_hooks: str,
    gate: Any,
    monkeypatch: pytest.MonkeyPatch,
    eventually_async: Any,
    retry_crashed: bool,
    status: int,
) -> None:
    monkeypatch.setattr(module, "_STOP_S", 0.1)
    settings = real_service(hooks=gate_hooks, threads=1, grace=0.1, retry_crashed=retry_crashed)
    async with supervised(settings) as desk:
        old, asked = desk.instances[0], desk.ask(gate.command.encode())
        await eventually_async(gate.reached)
        await desk.supervisor.start_instance(settings)
        await desk.supervisor.retire(old)
        gate.open()
        assert (await asked)[0] == status


async def test_a_suspect_whose_instance_had_no_more_time_is_tried_alone_again(
    real_service: Any,
    gate_hooks: str,
    gate: Any,
    monkeypatch: pytest.MonkeyPatch,
    eventually_async: Any,
) -> None:
    monkeypatch.setattr(module, "_STOP_S", 0.1)
    settings = real_service(hooks=gate_hooks, threads=1, grace=0.1)
    async with supervised(settings) as desk:
        asked = desk.ask(gate.command.encode())
        await eventually_async(gate.reached)
        await _kill(desk, gate, eventually_async)
        await eventually_async(gate.reached)
        (alone,) = desk.instances
        assert alone.state is State.ISOLATED
        await desk.supervisor.retire(alone)
        await eventually_async(lambda: [each.alone for each in desk.instances] == [True])
        gate.open()
        # The next one may not have stood there yet, and then waits for the gate to be there.
        await eventually_async(lambda: asked.done() or (gate.reached() and gate.open()))
        assert await asked == (codes.OK, gate.command.encode())


@pytest.mark.parametrize(("at_once", "retired"), [(True, ["other", "other"]), (False, ["other"])])
async def test_others_may_serve_on_in_the_places_of_those_that_are_missing(
    service: Any, monkeypatch: pytest.MonkeyPatch, at_once: bool, retired: list[str]
) -> None:
    desk = Desk(service(instances=3), 60)
    gone: list[str] = []
    monkeypatch.setattr(
        desk.supervisor, "retire", lambda each: gone.append(each.settings.worker.model_config)
    )
    for number, config in enumerate(["", "other", "", "other"]):
        settings = service(model_config=config)
        each = Instance(number, settings, lambda _: None, lambda *_: None, ServiceMetrics())
        each.state = State.READY
        desk.supervisor._instances[number] = each
    desk.supervisor.trim(at_once=at_once)
    assert gone == retired
    await desk.machine.stop()


async def test_a_run_over_the_limit_ends_its_worker_and_is_refused(real_service: Any) -> None:
    async with supervised(real_service(max_run=1.0, threads=1)) as desk:
        slow, waiting = desk.ask(b"sleep 30"), desk.ask(b"hello")
        assert await waiting == (codes.OK, b"hello")
        status, sentence = await slow
        assert status == codes.INTERNAL and b"more than 1 s (model_config.max_run)" in sentence


async def test_a_worker_that_loses_a_link_gets_no_more_and_is_replaced(
    real_service: Any, eventually_async: Any
) -> None:
    async with supervised(real_service()) as desk:
        (instance,) = desk.instances
        desk.supervisor._link_lost(instance, "data")
        assert not desk.admission.ready
        assert await desk.ask(b"hello") == (codes.OK, b"hello")
        assert instance not in desk.instances


async def test_enable_crash_block_leaves_it_dead(real_service: Any, eventually_async: Any) -> None:
    async with supervised(real_service(restart_crashed=False)) as desk:
        os.kill(*desk.pids, signal.SIGKILL)
        await eventually_async(lambda: not desk.instances)
        assert (await desk.ask(b"hello"))[0] == codes.UNAVAILABLE
        assert desk.supervisor.info == {}


async def test_a_replacement_that_fails_is_tried_again(
    real_service: Any,
    gate_hooks: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    eventually_async: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(starts, "_PAUSES_S", (0.05,))
    broken = tmp_path / "broken"
    settings = real_service(hooks=gate_hooks, model_config=f"crash {broken}")
    async with supervised(settings) as desk:
        broken.touch()
        os.kill(*desk.pids, signal.SIGKILL)
        waiting = desk.ask(b"hello")
        status, sentence = await waiting
        assert status == codes.UNAVAILABLE
        assert sentence.startswith(b"service 'echo' has no instance that can answer now: ")
        assert b"while it loaded the model (killed by SIGABRT)" in sentence
        await eventually_async(lambda: caplog.text.count("could not start, next try") >= 4)
        broken.unlink()
        await eventually_async(lambda: desk.admission.ready)
        assert await desk.ask(b"hello") == (codes.OK, b"hello")
        # From now on it is worth waiting again while there is none.
        desk.admission.instance_gone(*desk.instances)
        assert desk.admission.refusal(1) is None


async def test_a_replacement_waits_for_open_files(
    real_service: Any,
    no_more_files: Any,
    monkeypatch: pytest.MonkeyPatch,
    eventually_async: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(starts, "_PAUSES_S", (0.05,))
    async with supervised(real_service()) as desk:
        with no_more_files():
            os.kill(*desk.pids, signal.SIGKILL)
            await eventually_async(lambda: "Too many open files" in caplog.text)
        await eventually_async(lambda: desk.admission.ready)
        assert await desk.ask(b"hello") == (codes.OK, b"hello")


async def test_a_launcher_for_one_worker_ends_where_that_cannot_be_asked_for(
    real_service: Any,
    no_more_files: Any,
    threaded_hooks: str,
    tmp_path: Path,
    eventually_async: Any,
    running: Any,
) -> None:
    # The launcher gets its two pairs of sockets, the worker one of four.
    hooks = shutil.copy(threaded_hooks, tmp_path / "threaded_alone.py")
    desk = Desk(real_service(hooks=str(hooks)), start_timeout=60)
    with no_more_files(3), pytest.raises(StartError, match="Too many open files"):
        await desk.supervisor.start()
    await eventually_async(lambda: not running(str(hooks)))
    await desk.supervisor.stop()
    await desk.machine.stop()


async def test_nobody_is_killed_for_a_pid_that_is_free_again(real_service: Any, alive: Any) -> None:
    async with supervised(real_service()) as desk:
        (instance,) = desk.instances
        instance.gone = True
        desk.supervisor._kill(instance)
        instance.gone = False
        assert await desk.ask(b"hello") == (codes.OK, b"hello")
        assert alive(instance.pid)


async def test_workers_outlive_their_launcher(real_service: Any, eventually_async: Any) -> None:
    async with supervised(real_service(instances=2)) as desk:
        before = desk.pids
        for _ in range(3):
            launcher = await desk.machine.launchers.get(desk.instances[0].settings.worker)
            os.kill(launcher.pid, signal.SIGKILL)
            await eventually_async(lambda launcher=launcher: launcher.ended)
            assert await desk.ask(b"hello") == (codes.OK, b"hello")
        assert desk.pids == before
        os.kill(min(before), signal.SIGKILL)
        await eventually_async(lambda: len(desk.pids - before - {0}) == 1)
        assert await desk.ask(b"hello") == (codes.OK, b"hello")


async def test_a_first_start_that_somebody_kills_is_tried_again(
    real_service: Any, gate_hooks: str, gate: Any, eventually_async: Any
) -> None:
    desk = Desk(real_service(hooks=gate_hooks, model_config=gate.command), start_timeout=60)
    start = asyncio.create_task(desk.supervisor.start())
    waiting = desk.ask(b"hello")
    for _ in range(3):
        await eventually_async(gate.reached)
        await _kill(desk, gate, eventually_async)
    await eventually_async(gate.reached)
    assert not start.done() and not waiting.done()
    gate.open()
    await start
    assert await waiting == (codes.OK, b"hello")
    await desk.supervisor.stop()
    await desk.machine.stop()


async def test_a_first_start_that_fails_by_itself_ends(real_service: Any) -> None:
    with pytest.raises(StartError, match="killed by SIGABRT"):
        async with supervised(real_service(model_config="die")):
            pass


async def test_calls_wait_while_replacements_are_killed(
    real_service: Any, gate_hooks: str, gate: Any, tmp_path: Path, eventually_async: Any
) -> None:
    slow = tmp_path / "slow"
    settings = real_service(hooks=gate_hooks, model_config=f"if {slow} {gate.command}")
    async with supervised(settings) as desk:
        slow.touch()
        os.kill(*desk.pids, signal.SIGKILL)
        waiting = desk.ask(b"hello")
        for _ in range(5):
            await eventually_async(gate.reached)
            await _kill(desk, gate, eventually_async)
        await eventually_async(gate.reached)
        assert not waiting.done()
        gate.open()
        assert await waiting == (codes.OK, b"hello")


async def test_a_worker_that_gives_no_sign_of_life_is_replaced(
    real_service: Any, monkeypatch: pytest.MonkeyPatch, eventually_async: Any
) -> None:
    monkeypatch.setattr(liveness_module, "_HEARTBEATS_MISSED", 2)
    async with supervised(real_service()) as desk:
        (pid,) = desk.pids
        os.kill(pid, signal.SIGSTOP)
        await eventually_async(lambda: pid not in desk.pids)
        assert await desk.ask(b"hello") == (codes.OK, b"hello")


async def test_a_worker_is_profiled_until_it_is_told_to_end_while_it_answers(
    real_service: Any, processors: Path
) -> None:
    async with supervised(real_service(hooks=str(processors / "profiled.py"))) as desk:
        (instance,) = desk.instances
        profile = asyncio.create_task(instance.profiler.run(60, {"host": 2}))
        await asyncio.sleep(0)
        assert await desk.ask(b"hello") == (codes.OK, b"hello")
        instance.profiler.end()
        assert await profile == (codes.OK, b"level 2")
        assert await instance.profiler.run(0.01, {"host": 3}) == (codes.OK, b"level 3")


async def test_a_worker_that_dies_while_it_is_profiled_answers_unavailable(
    real_service: Any, processors: Path
) -> None:
    hooks = str(processors / "profiled.py")
    async with supervised(real_service(hooks=hooks, retry_crashed=False)) as desk:
        (instance,) = desk.instances
        profile = asyncio.create_task(instance.profiler.run(60, {"host": 2}))
        await asyncio.sleep(0)
        assert (await desk.ask(b"die"))[0] == codes.UNAVAILABLE
        code, sentence = await profile
        assert (code, b"died" in sentence) == (codes.UNAVAILABLE, True)


# Ending, and what workers print


async def test_stop_ends_workers_that_do_not_listen(real_service: Any, alive: Any) -> None:
    async with supervised(real_service(instances=2)) as desk:
        pids = desk.pids
        os.kill(min(pids), signal.SIGSTOP)
    assert not any(map(alive, pids))


@pytest.mark.parametrize("sigterm", [True, False])
async def test_a_processor_is_told_of_its_end_where_it_wants_that(
    real_service: Any, tmp_path: Path, sigterm: bool
) -> None:
    hooks = Path(__file__).parents[1] / "processors" / "farewell.py"
    said = tmp_path / "said"
    settings = real_service(hooks=str(hooks), model_config=str(said))
    object.__setattr__(settings.worker, "sigterm", sigterm)
    async with supervised(settings) as desk:
        assert await desk.ask(b"hello") == (codes.OK, b"hello")
        assert not said.exists()
    assert said.exists() == sigterm


async def test_stop_while_models_load_leaves_no_process(
    real_service: Any, gate_hooks: str, gate: Any, eventually_async: Any, alive: Any
) -> None:
    settings = real_service(hooks=gate_hooks, model_config=gate.command, instances=2)
    desk = Desk(settings, start_timeout=60)
    start = asyncio.create_task(desk.supervisor.start())
    await eventually_async(lambda: len(desk.pids - {0}) == 2)
    pids = desk.pids
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    await desk.supervisor.stop()
    assert not any(map(alive, pids))
    await desk.machine.stop()


async def test_what_a_worker_logs_keeps_its_level(
    real_service: Any, eventually_async: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with supervised(real_service()) as desk:
        assert (await desk.ask(b"fail"))[0] == codes.INTERNAL
        await eventually_async(lambda: "RuntimeError: failed as asked" in caplog.text)
    records = [each for each in caplog.records if each.name == "eas_processor.worker"]
    assert any(each.levelname == "ERROR" and "instance" in each.message for each in records)


async def test_a_model_gives_way_while_it_loads_where_others_serve(
    real_service: Any, monkeypatch: pytest.MonkeyPatch, eventually_async: Any
) -> None:
    asked: list[bool] = []
    launch = Launcher.launch

    async def note(self: Launcher, *arguments: Any, low_priority: bool = False) -> None:
        asked.append(low_priority)
        await launch(self, *arguments, low_priority=low_priority)

    monkeypatch.setattr(Launcher, "launch", note)
    settings = real_service()
    async with supervised(settings) as desk:
        assert asked == [False] and desk.machine.serving == set(desk.instances)
        (killed,) = desk.instances
        os.kill(killed.pid, signal.SIGKILL)
        serving = desk.machine.serving
        await eventually_async(lambda: len(serving) == 1 and killed not in serving)
        assert asked == [False, False], "nothing served while it was replaced"
        beside = Supervisor(settings, Admission(settings), desk.machine, 60, BUDGET)
        await beside.start()
        assert asked[-1] and len(desk.machine.serving) == 2
        await beside.stop()
        assert len(desk.machine.serving) == 1
