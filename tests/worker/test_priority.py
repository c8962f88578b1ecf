"""The priority at which models are loaded."""

import os
import threading

import pytest

from eas_processor.worker import priority


def of(thread):
    return os.getpriority(os.PRIO_PROCESS, thread)


@pytest.fixture
def may_raise():
    if not priority._may_raise(of(0)):
        pytest.skip("this user may not raise a priority again")
    if of(0) >= priority._LOADING:
        pytest.skip("this process has a low priority already")


def test_threads_that_are_started_meanwhile_have_the_usual_one_in_the_end(may_raise):
    before, found, over = of(0), {}, threading.Event()

    def work():
        found["id"] = threading.get_native_id() if hasattr(threading, "get_native_id") else 0
        found["loading"] = of(0)
        over.wait(20)
        found["serving"] = of(0)

    with priority.lowered_priority():
        thread = threading.Thread(target=work)
        thread.start()
        while "loading" not in found:
            pass
    over.set()
    thread.join()
    assert (found["loading"], found["serving"], of(0)) == (priority._LOADING, before, before)


def test_it_is_raised_again_where_loading_fails(may_raise):
    before = of(0)
    with pytest.raises(ValueError), priority.lowered_priority():
        assert of(0) == priority._LOADING
        raise ValueError
    assert of(0) == before


def test_without_others_that_serve_nothing_is_lowered():
    before = of(0)
    with priority.lowered_priority(wanted=False):
        assert of(0) == before


def test_who_may_not_raise_it_again_does_not_lower_it(monkeypatch):
    monkeypatch.setattr(priority, "_may_raise", lambda _: False)
    before = of(0)
    with priority.lowered_priority():
        assert of(0) == before
