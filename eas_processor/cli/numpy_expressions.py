"""
Python literals and numpy expressions of a command line, evaluated without `eval`.

Only the names in the lists below are allowed; an error names any other. So an expression cannot
read a file, import a module or reach other attributes of an object.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from eas_processor.errors import CallError

_WORDS = {
    "functions": "abs arange array asarray broadcast_to clip concatenate cos empty exp expand_dims "
    "eye full hstack identity linspace log logspace ones repeat reshape round sin sqrt squeeze "
    "stack tile transpose vstack zeros",
    "random": "choice normal permutation rand randint randn random random_sample uniform",
    "methods": "astype copy flatten ravel repeat reshape squeeze tolist transpose",
    "constants": "e inf nan newaxis pi",
    "dtypes": "bool_ bytes_ complex64 complex128 double float16 float32 float64 half int8 int16 "
    "int32 int64 intc int_ object_ single str_ uint8 uint16 uint32 uint64",
}
_FUNCTIONS, _RANDOM, _METHODS, _CONSTANTS, _DTYPES = (
    frozenset(words.split()) for words in _WORDS.values()
)
_BUILTIN_DTYPES = {each.__name__: each for each in (bool, bytes, complex, float, int, object, str)}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
# Python's own numbers and sequences grow without numpy's bounds.
_LONGEST_SEQUENCE, _MOST_BITS = 10_000_000, 4096


def evaluate(text: str, where: str) -> Any:
    """
    Return the value of a Python literal or of an expression of `np`.

    Raises CallError, which begins with `where`.
    """
    try:
        return _value(ast.parse(text, mode="eval").body)
    except _NotAllowedError as error:
        raise CallError(f"{where}: {error} in {text[:80]!r}") from None
    except SyntaxError:
        raise CallError(
            f"{where}: expected a Python literal or a numpy expression such as np.ones((1, 3)), "
            f"got {text[:80]!r}; text needs quotes of its own"
        ) from None
    except (MemoryError, RecursionError):
        raise CallError(f"{where}: {text[:80]!r} needs more memory than there is") from None
    except Exception as error:  # numpy raises many kinds of errors for unsuitable values
        raise CallError(f"{where}: {text[:80]!r}: {error}") from error


class _NotAllowedError(Exception):
    """An expression uses a name or syntax that is not allowed."""


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List():
            return [_value(each) for each in node.elts]
        case ast.Tuple():
            return tuple(_value(each) for each in node.elts)
        case ast.UnaryOp() if type(node.op) in _UNARY:
            return _UNARY[type(node.op)](_value(node.operand))
        case ast.BinOp() if type(node.op) in _BINARY:
            return _binary(node.op, _value(node.left), _value(node.right))
        case ast.Call():
            return _call(node)
        case ast.Name() if node.id in _BUILTIN_DTYPES:
            return _BUILTIN_DTYPES[node.id]
        case ast.Attribute():
            return _attribute(node)
        case ast.Subscript():
            return _subscript(node)
    raise _NotAllowedError(f"{ast.unparse(node)[:60]!r} is not allowed")


def _binary(operation: ast.operator, left: Any, right: Any) -> Any:
    is_product = isinstance(operation, ast.Mult)
    if is_product and (_too_long(left, right) or _too_long(right, left)):
        raise MemoryError
    if isinstance(operation, ast.Pow) and isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * right
        if bits > _MOST_BITS:
            raise MemoryError
    return _BINARY[type(operation)](left, right)


def _too_long(sequence: Any, times: Any) -> bool:
    if not isinstance(sequence, (str, bytes, list, tuple)) or not isinstance(times, int):
        return False
    return len(sequence) * times > _LONGEST_SEQUENCE


def _call(node: ast.Call) -> Any:
    path = _path(node.func)
    if path is None and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        owner = _value(node.func.value)
        if not isinstance(owner, np.ndarray):
            raise _NotAllowedError(f"{ast.unparse(node.func)[:60]!r} is not allowed")
        function = getattr(owner, node.func.attr)
    elif path is not None and len(path) == 1 and path[0] in _FUNCTIONS | _DTYPES:
        function = getattr(np, path[0])
    elif path is not None and len(path) == 2 and path[0] == "random" and path[1] in _RANDOM:
        function = getattr(np.random, path[1])
    else:
        raise _NotAllowedError(f"a call of {ast.unparse(node.func)[:60]!r} is not allowed")
    if any(each.arg is None for each in node.keywords):
        raise _NotAllowedError("'**' is not allowed")
    named = {each.arg: _value(each.value) for each in node.keywords if each.arg is not None}
    return function(*map(_value, node.args), **named)


def _attribute(node: ast.Attribute) -> Any:
    path = _path(node)
    if path is not None and len(path) == 1 and path[0] in _CONSTANTS | _DTYPES:
        return getattr(np, path[0])
    if path is None and node.attr == "T":
        owner = _value(node.value)
        if isinstance(owner, np.ndarray):
            return owner.T
    raise _NotAllowedError(f"{ast.unparse(node)[:60]!r} is not allowed")


def _subscript(node: ast.Subscript) -> Any:
    owner = _value(node.value)
    if not isinstance(owner, (np.ndarray, list, tuple)):
        raise _NotAllowedError(f"{ast.unparse(node)[:60]!r} is not allowed")
    return owner[_index(node.slice)]


def _index(node: ast.expr) -> Any:
    if isinstance(node, ast.Slice):
        parts = (node.lower, node.upper, node.step)
        return slice(*(None if each is None else _value(each) for each in parts))
    if isinstance(node, ast.Tuple):
        return tuple(_index(each) for each in node.elts)
    return _value(node)


def _path(node: ast.expr) -> list[str] | None:
    """Return the names after `np.` or `numpy.`, None for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return names if isinstance(node, ast.Name) and node.id in ("np", "numpy") else None
