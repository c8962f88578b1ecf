from __future__ import annotations

import pickle
import re

import pytest

from eas_prediction import exception
from eas_prediction.exception import InvalidRequest, PredictException, UnknownOutput

CLASSES = [
    value
    for value in vars(exception).values()
    if isinstance(value, type) and issubclass(value, PredictException)
]


def drawn_tree() -> dict[str, tuple[str, bool]]:
    """Name to (parent, whether ↻ stands beside it), as the module's docstring draws them."""
    tree = {}
    parents: list[str] = []
    for line in (exception.__doc__ or "").splitlines():
        match = re.match(r"^    ((?:│   |├── |└── )*)([A-Z]\w+)(.*)$", line)
        if match:
            depth = len(match[1]) // 4
            parents[depth:] = [match[2]]
            tree[match[2]] = (parents[depth - 1] if depth else "Exception", "↻" in match[3])
    return tree


def test_the_tree_is_drawn_as_it_is():
    assert drawn_tree() == {
        cls.__name__: (cls.__bases__[0].__name__, cls.transient) for cls in CLASSES
    }


def test_reads_like_the_vendors():
    error = PredictException(450, "queue full")
    assert (error.code, error.message) == (450, "queue full")
    assert str(error) == "Code: 450, Message: queue full"


def test_what_python_would_raise_can_be_caught_too():
    assert issubclass(InvalidRequest, ValueError)
    assert issubclass(UnknownOutput, KeyError)
    assert str(UnknownOutput("no output 'x'")) == "Code: 400, Message: no output 'x'"


@pytest.mark.parametrize("cls", CLASSES)
def test_survives_the_way_between_processes(cls):
    error = cls("wrong") if cls in (InvalidRequest, UnknownOutput) else cls(503, "wrong")
    error.retry_after = 2.0
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert (copy.code, copy.message, copy.retry_after) == (error.code, "wrong", 2.0)
