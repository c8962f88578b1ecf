from __future__ import annotations

import numpy as np
import pytest

from eas_processor.cli.numpy_expressions import evaluate
from eas_processor.errors import CallError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[1.0], [2.0]]", [[1.0], [2.0]]),
        ("-1", -1),
        ("(1, 'a', b'b', None, True)", (1, "a", b"b", None, True)),
        ("2 * 3 ** 2 - 1", 17),
        ("1000000 ** 2", 10**12),
    ],
)
def test_literals(text: str, expected: object) -> None:
    assert evaluate(text, "x") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("np.ones((2, 3))", np.ones((2, 3))),
        ("numpy.zeros(3, dtype=np.int64)", np.zeros(3, np.int64)),
        ("np.zeros((1, 2), 'float32')", np.zeros((1, 2), np.float32)),
        ("np.array([[1, 2], [3, 4]], dtype=float) / 2", np.array([[0.5, 1], [1.5, 2]])),
        ("np.arange(6).reshape(2, 3).astype(np.float32).T", np.arange(6.0).reshape(2, 3).T),
        ("np.linspace(0, 1, 5)[:, np.newaxis]", np.linspace(0, 1, 5)[:, None]),
        ("np.full((2, 2), np.pi)", np.full((2, 2), np.pi)),
        ("np.float32(2.5)", np.float32(2.5)),
        ("[np.nan, -np.inf]", [np.nan, -np.inf]),
    ],
)
def test_numpy(text: str, expected: object) -> None:
    np.testing.assert_array_equal(np.asarray(evaluate(text, "x")), np.asarray(expected))


def test_random_numbers() -> None:
    assert evaluate("np.random.rand(2, 3)", "x").shape == (2, 3)
    assert evaluate("np.random.randint(0, 5, size=(4,))", "x").max() < 5


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "np.load('x.npy', allow_pickle=True)",
        "np.fromfile('/etc/passwd')",
        "np.lib.npyio.DataSource()",
        "np.random.__class__",
        "np.ones.__globals__",
        "np.ones(3).__class__",
        "np.ones(3).tofile('x')",
        "np.ones(3).ctypes.data",
        "(1).__class__.__bases__",
        "'a'.format(1)",
        "[].append(1)",
        "f'{1}'",
        "(lambda: 1)()",
        "[x for x in [1]]",
        "x",
        "np",
        "int(3)",
        "np.ones(*[3])",
        "np.ones(**{'shape': 3})",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(CallError, match=r"^--input_exprs: x: .*is not allowed in"):
        evaluate(text, "--input_exprs: x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello world", "expected a Python literal or a numpy expression"),
        ("np.ones(", "expected a Python literal or a numpy expression"),
        ("9 ** 9 ** 9", "more memory than there is"),
        ("[0] * 10 ** 12", "more memory than there is"),
        ("'a' * 10 ** 12", "more memory than there is"),
        ("np.ones((2, 3)) + np.ones((4,))", "could not be broadcast"),
        ("1 / 0", "division by zero"),
        ("np.zeros(3, dtype='none')", "not understood"),
        ("np.ones(-1)", "negative dimensions"),
        ("(" * 500 + ")" * 500, "expected a Python literal"),
    ],
)
def test_bad_expressions_get_a_sentence(text: str, message: str) -> None:
    with pytest.raises(CallError, match=message):
        evaluate(text, "--input_exprs: x")
