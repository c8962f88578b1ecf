"""Finds the file of a custom processor to load, and its language."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from eas_processor.errors import ModelFetchError


class Kind(Enum):
    """The language of a custom processor, as `processor_type` names it."""

    PYTHON = "python"
    CPP = "cpp"

    @property
    def suffix(self) -> str:
        """The suffix of the files that it can be loaded from."""
        return ".py" if self is Kind.PYTHON else ".so"


KINDS = {"python": Kind.PYTHON, "cpp": Kind.CPP, "c++": Kind.CPP, "c": Kind.CPP}
"""The languages, by the values of `processor_type`."""

_USUAL = ("app.py", "processor.py")
_LISTED = 10


def find_entry_file(directory: Path, named: str, processor_type: str) -> tuple[Path, Kind]:
    """
    Return the file in `directory` to load, and its kind.

    `named` is `processor_entry`, a path inside `directory`. A name without a directory is also
    found in subdirectories, if it occurs once. If `named` is empty, the file is `app.py`,
    `processor.py` or the only file with a fitting suffix. Raises ModelFetchError.
    """
    kind = KINDS[processor_type.lower()] if processor_type else None
    entry = _named(directory, named) if named else _usual(directory, kind)
    for each in Kind:
        if entry.name.endswith(each.suffix) and kind in (each, None):
            return entry, each
    expected = kind.suffix if kind else f"{Kind.PYTHON.suffix} or {Kind.CPP.suffix}"
    raise ModelFetchError(f"{entry.name} is not a processor, expected a {expected} file")


def _named(directory: Path, named: str) -> Path:
    entry = directory / named
    if not entry.resolve().is_relative_to(directory.resolve()):
        raise ModelFetchError(f"{named!r} is outside the processor, expected a path inside it")
    if entry.is_file():
        return entry
    deeper = sorted(directory.rglob(entry.name)) if "/" not in named else []
    if len(deeper) == 1 and deeper[0].is_file():
        return deeper[0]
    raise ModelFetchError(f"{named!r} is not in the processor, which is {_contents(directory)}")


def _usual(directory: Path, kind: Kind | None) -> Path:
    if kind is not Kind.CPP:
        for name in _USUAL:
            if (directory / name).is_file():
                return directory / name
    suffixes = [kind.suffix] if kind else [each.suffix for each in Kind]
    for suffix in suffixes:
        found = sorted(directory.glob(f"*{suffix}"))
        if len(found) == 1:
            return found[0]
    raise ModelFetchError(
        "the file to load is not clear: name it as processor_entry; the processor is "
        f"{_contents(directory)}"
    )


def _contents(directory: Path) -> str:
    names = sorted(f"{each.name}/" if each.is_dir() else each.name for each in directory.iterdir())
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"a directory of {', '.join(names[:_LISTED]) or 'nothing'}{more}"
