import json

import pytest

from eas_processor.link.codes import INTERNAL, OK, TOO_LARGE, UNAVAILABLE, UNIMPLEMENTED
from eas_processor.link.frames import END_PROFILE, HEARTBEAT, PROFILE, PROFILED

PROFILED_HOOKS = (
    "def initialize(entry, config): return entry\n"
    "def process(model, request): return bytes(request)\n"
    "def take_profile(model, levels, wait):\n"
    "    wait()\n"
    "    return b'level %d' % levels['host']\n"
)


@pytest.fixture
def worker(engine, tmp_path):
    """Return a function that starts a worker with these hooks."""

    def start(source=PROFILED_HOOKS):
        path = tmp_path / "processor_under_test.py"
        path.write_text(source)
        return engine.worker(str(path))[1]

    return start


def ask(worker, seconds, number=1):
    asked = {"seconds": seconds, "levels": {"host": 2}}
    worker.control.send(PROFILE, json.dumps(asked).encode(), number)


def answer(worker):
    kind, code, number, payload = worker.control.next(HEARTBEAT)
    assert kind == PROFILED
    return number, code, payload


def test_a_profile_is_answered_after_its_seconds_while_requests_run(worker):
    worker = worker()
    ask(worker, 0.5, number=7)
    assert worker.ask(b"hello") == (OK, b"hello")
    assert answer(worker) == (7, OK, b"level 2")


def test_a_second_profile_is_refused_until_the_first_has_ended(worker):
    worker = worker()
    ask(worker, 60, number=1)
    ask(worker, 60, number=2)
    assert answer(worker) == (2, UNAVAILABLE, b"another profile is being taken; try again")
    worker.control.send(END_PROFILE)
    assert answer(worker) == (1, OK, b"level 2")
    ask(worker, 0, number=3)
    assert answer(worker) == (3, OK, b"level 2")


def test_an_end_that_comes_without_a_profile_ends_none_that_follows(worker):
    worker = worker()
    worker.control.send(END_PROFILE)
    ask(worker, 60, number=1)
    ask(worker, 60, number=2)
    assert answer(worker)[:2] == (2, UNAVAILABLE)


def test_hooks_without_profiles_say_so(worker):
    worker = worker(PROFILED_HOOKS.split("def take_profile", maxsplit=1)[0])
    ask(worker, 60)
    assert answer(worker) == (1, UNIMPLEMENTED, b"this processor cannot be profiled")


def test_a_profile_that_fails_is_answered_and_the_next_one_too(worker):
    worker = worker(PROFILED_HOOKS.replace("wait()", "wait(); 1 / len(levels['more'])"))
    for number in 1, 2:
        ask(worker, 0, number)
        number_answered, code, sentence = answer(worker)
        assert (number_answered, code) == (number, INTERNAL)
        assert sentence.startswith(b"the processor failed with KeyError")


def test_a_profile_of_more_than_64_mib_is_refused_and_beats_go_on_beside_a_large_one(worker):
    worker = worker(PROFILED_HOOKS.replace("return b'level", "return b'x' * (levels['host']) #"))
    for size, code in (64 << 20, OK), ((64 << 20) + 1, TOO_LARGE):
        asked = {"seconds": 0, "levels": {"host": size}}
        worker.control.send(PROFILE, json.dumps(asked).encode(), 1)
        _, answered, payload = answer(worker)
        assert answered == code
    assert payload == (
        b"the profile has 67108865 bytes (limit 67108864); profile for a shorter time"
    )
    assert worker.control.next()[0] == HEARTBEAT
