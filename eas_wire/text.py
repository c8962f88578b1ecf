"""
What a sentence may repeat of a request: names and values from outside are cut.

A refusal that quoted a name of 60 MB would be an answer of 60 MB or more. Every name and value that
comes from a request passes through here before it becomes part of a sentence.
"""

from typing import Callable, Iterable

LIMIT = 80
"""Characters that a sentence repeats of one name or value."""

NAMES = 10
"""Names that a sentence lists before it says how many more there are."""


def cut(text: str, limit: int = LIMIT) -> str:
    """`text` as it is, or its beginning and "...", `limit` characters in all."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def quote(name: str) -> str:
    """Return a name as messages show it, cut where it is long."""
    return f"'{cut(name)}'"


def list_names(names: Iterable[str]) -> str:
    """Return names as messages list them: `'a', 'b'`, and past ten how many more."""
    return cut_list(names, quote) or "none"


def cut_list(names: Iterable[str], show: Callable[[str], str] = cut) -> str:
    """The first names as `show` writes them, with commas between, and how many more there are."""
    listed = list(names)
    shown = ", ".join([show(name) for name in listed[:NAMES]])
    more = len(listed) - NAMES
    return f"{shown} and {more} more" if more > 0 else shown
