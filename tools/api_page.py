"""Writes docs/api.md, the reference of `eas_prediction`, from its signatures and docstrings."""

from __future__ import annotations

import enum
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import eas_prediction
from eas_prediction import PredictException

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
COLUMNS = 100
_HEAD = """# API of eas_prediction

Every public class, with the types of its parameters and its docstrings. [The client](client.md)
explains how they work together. `python tools/api_page.py` writes this page.
"""
_ABSENT = "eas_prediction._other_processors"


def page() -> str:
    """Return the text of the page."""
    parts = [_HEAD]
    for name in sorted(eas_prediction.__all__):
        thing = getattr(eas_prediction, name)
        if inspect.isclass(thing) and thing.__module__ != _ABSENT:
            parts.append("\n".join(_class(name, thing)))
    return "\n".join(parts)


def _class(name: str, thing: type) -> Iterator[str]:
    yield f"## {name}\n"
    if not issubclass(thing, enum.Enum):
        yield _code(name, thing, result=False)
    yield (inspect.getdoc(thing) or "") + "\n"
    if issubclass(thing, (PredictException, enum.Enum)):
        return
    for each, member in inspect.getmembers(thing):
        if each.startswith("_") or (each in ("count", "index") and issubclass(thing, tuple)):
            continue
        if isinstance(member, property) and (text := inspect.getdoc(member)):
            kind = inspect.signature(member.fget).return_annotation  # type: ignore[arg-type]
            yield f"### {name}.{each}\n\n```python\n{each}: {_type(kind)}\n```\n\n{text}\n"
        elif inspect.isfunction(member) and (text := inspect.getdoc(member)):
            yield f"### {name}.{each}\n\n{_code(each, member)}\n{text}\n"


def _code(name: str, called: Callable[..., Any], *, result: bool = True) -> str:
    """Return a signature as a block of code, with one parameter per line if it is long."""
    signature = inspect.signature(called)
    listed = list(_parameters(signature))
    ending = f" -> {_type(signature.return_annotation)}" if result else ""
    prefix = "async def " if inspect.iscoroutinefunction(called) else ""
    line = f"{prefix}{name}({', '.join(listed)}){ending}"
    if len(line) > COLUMNS:
        inner = "".join(f"    {each},\n" for each in listed)
        line = f"{prefix}{name}(\n{inner}){ending}"
    return f"```python\n{line}\n```\n"


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    named_only = False
    for name, each in signature.parameters.items():
        if name == "self":
            continue
        if each.kind is each.VAR_POSITIONAL or (each.kind is each.KEYWORD_ONLY and not named_only):
            named_only = True
            if each.kind is each.KEYWORD_ONLY:
                yield "*"
        stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        typed = "" if each.annotation is each.empty else f": {_type(each.annotation)}"
        equals = " = " if typed else "="
        value = json.dumps(each.default) if isinstance(each.default, str) else repr(each.default)
        default = "" if each.default is each.empty else f"{equals}{value}"
        yield f"{stars}{name}{typed}{default}"


def _type(annotation: Any) -> str:
    """Return a type in the form of the source code."""
    if annotation is None or annotation is inspect.Signature.empty:
        return "None"
    if isinstance(annotation, str):
        return annotation
    return getattr(annotation, "__forward_arg__", None) or annotation.__name__


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1]))
    PAGE.write_text(page(), encoding="utf-8")
