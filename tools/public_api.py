"""
Lists the public API, one name per line. docs/compatibility.md promises to keep it.

`python tools/public_api.py` writes tests/public_api.txt, and a test compares that with the code.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "public_api.txt"


def lines() -> list[str]:
    """Return the lines, sorted."""
    parts = (_names, _commands, _flags, _keys, _metrics, _statuses)
    return sorted({line for part in parts for line in part()})


def _names() -> Iterator[str]:
    import eas_prediction
    from eas_processor import hooks

    for package in (eas_prediction, hooks):
        for name in package.__all__:
            thing = getattr(package, name)
            yield f"python {package.__name__}.{name}{_parameters(thing)}"
            if inspect.isclass(thing):
                for each, member in inspect.getmembers(thing, inspect.isfunction):
                    if not each.startswith("_"):
                        yield f"python {package.__name__}.{name}.{each}{_parameters(member)}"


def _parameters(thing: Any) -> str:
    """Return the names of parameters, and their defaults."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    if inspect.isclass(thing) and issubclass(thing, (tuple, int)):
        return ""
    written = []
    for each in parameters:
        star = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        value = "{...}" if isinstance(each.default, frozenset) else repr(each.default)
        default = "" if each.default is each.empty else f"={value}"
        written.append(f"{star}{each.name}{default}")
    return f"({', '.join(written)})"


def _commands() -> Iterator[str]:
    from eas_processor.cli.parser import make_parser
    from tools.docs_site import all_commands

    for name, parser in all_commands(make_parser()):
        yield f"command eascmd {name}"
        for action in parser._actions:
            if action.help != argparse.SUPPRESS:
                for option in action.option_strings:
                    yield f"command eascmd {name} {option}"


def _flags() -> Iterator[str]:
    from eas_processor.cli.model_server_flags import FLAGS

    for name in FLAGS:
        yield f"command tensorflow_model_server --{name}"


def _keys() -> Iterator[str]:
    from eas_processor.config import json_schema

    schema = json_schema()

    def keys(part: Any, path: str) -> Iterator[str]:
        if not isinstance(part, dict):
            return
        if "$ref" in part:
            yield from keys(schema["$defs"][part["$ref"].rsplit("/", 1)[-1]], path)
        for each in part.get("anyOf", ()):
            yield from keys(each, path)
        for name, inner in part.get("properties", {}).items():
            yield f"key {path}{name}"
            yield from keys(inner, f"{path}{name}.")

    yield from keys(schema, "")


def _metrics() -> Iterator[str]:
    from tools.docs_site import metrics

    for name, kind, labels, _ in metrics():
        yield " ".join(["metric", name, kind, *labels])


def _statuses() -> Iterator[str]:
    from eas_processor.frontends.eas.statuses import STATUSES as EAS
    from eas_processor.frontends.tfs_statuses import STATUSES as REST
    from eas_processor.link import codes

    for code, status in EAS.items():
        yield f"status {codes.NAMES[code]} EAS {status} REST {REST[code]}"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    LIST.write_text("\n".join(lines()) + "\n", encoding="utf-8")
