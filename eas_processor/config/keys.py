"""Every key that a service file can have, as a tree made from the schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import NODEFAULT, inspect

from eas_processor.config.schema import Effect, Service


@dataclass(frozen=True)
class Key:
    """One key of the service file. An object whose keys are known has `children`."""

    path: str
    description: str = ""
    expected: str = "an object"
    effect: Effect = Effect.USED
    secret: bool = False
    default: Any = NODEFAULT
    takes_object: bool = True
    children: dict[str, Key] = field(default_factory=dict)

    def walk(self) -> Iterator[Key]:
        """Yield every key below this one, a parent before its children."""
        for child in self.children.values():
            yield child
            yield from child.walk()


def _key(path: str, found: inspect.Field) -> Key:
    annotated = found.type
    assert isinstance(annotated, inspect.Metadata), f"{path} has no description"
    extra, value = annotated.extra or {}, annotated.type
    children = _children(value, f"{path}.")
    return Key(
        path=path,
        description=(annotated.extra_json_schema or {})["description"],
        expected="an object" if children else extra["expected"] or "true or false",
        effect=extra["effect"],
        secret=extra["secret"],
        default=found.default,
        takes_object=bool(children) or isinstance(value, inspect.AnyType),
        children=children,
    )


def _children(value: inspect.Type, prefix: str) -> dict[str, Key]:
    if not isinstance(value, inspect.StructType):
        return {}
    return {each.encode_name: _key(prefix + each.encode_name, each) for each in value.fields}


ROOT = Key(path="", children=_children(inspect.type_info(Service), ""))
KEYS = {key.path: key for key in ROOT.walk()}
