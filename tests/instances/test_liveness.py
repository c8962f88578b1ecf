from __future__ import annotations

from eas_processor.contracts.call import Call
from eas_processor.instances.liveness import Liveness
from eas_processor.link.frames import BULK_SIZE


def calls(*sizes: int) -> dict[int, Call]:
    made = {}
    for size in sizes:
        call = Call()
        call.size = size
        made[call.number] = call
    return made


def test_a_worker_is_silent_after_fifteen_seconds_without_a_sign_of_life() -> None:
    liveness = Liveness()
    for _ in range(2):
        for _ in range(15):
            liveness.tick({})
            assert not liveness.silent
        liveness.tick({})
        assert liveness.silent
        assert liveness.silent  # asking changes nothing
        liveness.beat()
        assert not liveness.silent


def test_a_run_takes_as_long_as_its_call_is_the_oldest() -> None:
    liveness, held = Liveness(), calls(1, 1)
    assert liveness.longest_run == 0
    seconds = []
    for _ in range(3):
        liveness.tick(held)
        seconds.append(liveness.longest_run)
    del held[next(iter(held))]
    for _ in range(3):  # the second has only waited until now
        liveness.tick(held)
        seconds.append(liveness.longest_run)
    assert seconds == [0, 1, 2, 0, 1, 2]


def test_the_runs_of_both_channels_are_counted() -> None:
    liveness, held = Liveness(), calls(1, 1, BULK_SIZE + 1)
    liveness.tick(held)
    del held[next(iter(held))]
    liveness.tick(held)
    assert liveness.longest_run == 1
