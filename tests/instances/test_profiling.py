from __future__ import annotations

import asyncio
import json

import pytest

from eas_processor.instances.profiling import NoProfiler, WorkerProfiler
from eas_processor.link.codes import OK, UNAVAILABLE, UNIMPLEMENTED
from eas_processor.link.deframer import Deframer
from eas_processor.link.frames import END_PROFILE, PROFILE

LEVELS = {"host_tracer_level": 2}


class Asked:
    """A profiler, and the kind, number and JSON of each frame that its worker was sent."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, int, bytes]] = []
        self.profiler = WorkerProfiler(self._note)

    def _note(self, frame: bytes) -> None:
        for kind, _, _, number, _, payload in Deframer().feed(frame):
            self.frames.append((kind, number, b"".join(payload)))

    async def start(self) -> asyncio.Task[tuple[int, bytes]]:
        """Ask for a profile; return when its frame is written."""
        task = asyncio.create_task(self.profiler.run(1.5, LEVELS))
        await asyncio.sleep(0)
        return task


@pytest.fixture
def asked() -> Asked:
    return Asked()


async def test_a_profile_is_what_the_worker_answers(asked: Asked) -> None:
    task = await asked.start()
    ((kind, number, payload),) = asked.frames
    assert (kind, json.loads(payload)) == (PROFILE, {"seconds": 1.5, "levels": LEVELS})
    asked.profiler.answered(number, OK, b"profile")
    assert await task == (OK, b"profile")


async def test_a_second_one_is_refused_without_asking_the_worker(asked: Asked) -> None:
    first = await asked.start()
    code, sentence = await asked.profiler.run(1.0, LEVELS)
    assert (code, b"another profile" in sentence) == (UNAVAILABLE, True)
    assert len(asked.frames) == 1
    asked.profiler.answered(1, OK, b"")
    assert await first == (OK, b"")


async def test_end_is_told_to_the_worker_while_a_profile_runs_alone(asked: Asked) -> None:
    asked.profiler.end()
    assert asked.frames == []
    task = await asked.start()
    asked.profiler.end()
    assert asked.frames[-1][0] == END_PROFILE
    assert not task.done()
    asked.profiler.answered(1, OK, b"short")
    assert await task == (OK, b"short")


async def test_who_leaves_ends_the_profile_and_its_late_answer_is_not_the_nexts(
    asked: Asked,
) -> None:
    first = await asked.start()
    first.cancel()
    await asyncio.wait([first])
    assert asked.frames[-1][0] == END_PROFILE
    second = await asked.start()
    asked.profiler.answered(1, OK, b"late")
    asked.profiler.answered(2, OK, b"second")
    assert await second == (OK, b"second")


async def test_a_worker_that_dies_is_told(asked: Asked) -> None:
    task = await asked.start()
    asked.profiler.died()
    code, sentence = await task
    assert (code, b"died" in sentence) == (UNAVAILABLE, True)
    asked.profiler.died()


async def test_a_model_inside_the_engine_is_not_profiled() -> None:
    profiler = NoProfiler()
    profiler.end()
    assert (await profiler.run(1.0, LEVELS))[0] == UNIMPLEMENTED
