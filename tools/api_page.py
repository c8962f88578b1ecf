"""Writes docs/api.md, the reference of `eas_prediction`, from its docstrings."""

from __future__ import annotations

import enum
import inspect
import sys
from pathlib import Path

import eas_prediction
from eas_prediction import PredictException

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
_HEAD = """# API of eas_prediction

Made from the docstrings by `python tools/api_page.py`; a test compares.
[client.md](client.md) explains the whole.
"""
_ABSENT = "eas_prediction._other_processors"


def page() -> str:
    """Return the text of the page."""
    parts = [_HEAD]
    for name in sorted(eas_prediction.__all__):
        thing = getattr(eas_prediction, name)
        if inspect.isclass(thing) and thing.__module__ != _ABSENT:
            parts.append(_class(name, thing))
    return "\n".join(parts)


def _class(name: str, thing: type) -> str:
    lines = [f"## {name}\n", inspect.getdoc(thing) or "", ""]
    if issubclass(thing, (PredictException, enum.Enum)):
        return "\n".join(lines)
    for each, member in inspect.getmembers(thing):
        if each.startswith("_") or (each in ("count", "index") and issubclass(thing, tuple)):
            continue
        if inspect.isfunction(member) and (text := inspect.getdoc(member)):
            names = ", ".join(_parameters(member))
            lines += [f"### {name}.{each}({names})\n", text, ""]
    return "\n".join(lines)


def _parameters(member: object) -> list[str]:
    parameters = list(inspect.signature(member).parameters.values())[1:]  # type: ignore[arg-type]
    return [str(each.replace(annotation=inspect.Parameter.empty)) for each in parameters]


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1]))
    PAGE.write_text(page(), encoding="utf-8")
