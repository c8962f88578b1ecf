"""Which file of a custom processor is loaded, and in what language it is written."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from eas_processor.errors import ModelFetchError


class Kind(Enum):
    """What a custom processor is written in, by what `processor_type` calls it."""

    PYTHON = "python"
    CPP = "cpp"

    @property
    def suffix(self) -> str:
        """How the files end that it can be loaded from."""
        return ".py" if self is Kind.PYTHON else ".so"


KINDS = {"python": Kind.PYTHON, "cpp": Kind.CPP, "c++": Kind.CPP, "c": Kind.CPP}
"""By what a service file may have as `processor_type`."""

_USUAL = ("app.py", "processor.py")
_LISTED = 10


def find_entry_file(directory: Path, named: str, processor_type: str) -> tuple[Path, Kind]:
    """
    Return the file of the processor in `directory` to load, and its kind.

    `named` is `processor_entry`, a path inside; a bare name may also lie deeper, where it is there
    once. Without it, the usual names and the only file of its kind are taken.
    Raises ModelFetchError.
    """
    kind = KINDS[processor_type.lower()] if processor_type else None
    entry = _named(directory, named) if named else _usual(directory, kind)
    for each in Kind:
        if entry.name.endswith(each.suffix) and kind in (each, None):
            return entry, each
    expected = kind.suffix if kind else f"{Kind.PYTHON.suffix} or {Kind.CPP.suffix}"
    raise ModelFetchError(f"{entry.name} is no processor to load, expected a {expected} file")


def _named(directory: Path, named: str) -> Path:
    entry = directory / named
    if not entry.resolve().is_relative_to(directory.resolve()):
        raise ModelFetchError(f"{named!r} leads out of the processor, expected a path inside it")
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
        f"which file is to be loaded? Name it as processor_entry; the processor is "
        f"{_contents(directory)}"
    )


def _contents(directory: Path) -> str:
    names = sorted(f"{each.name}/" if each.is_dir() else each.name for each in directory.iterdir())
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"a directory of {', '.join(names[:_LISTED]) or 'nothing'}{more}"
