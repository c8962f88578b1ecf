"""
Shorten names and values from requests before an error message repeats them.

A refusal that quoted a name of 60 MB would be an answer of 60 MB. Every name and value of a request
must pass through these functions before it becomes part of a message.
"""

from typing import Callable, Iterable

LIMIT = 80
"""The most characters of one name or value in a message."""

NAMES = 10
"""The most names in a list; the message then says how many more there are."""


def cut(text: str, limit: int = LIMIT) -> str:
    """Return `text`, shortened to `limit` characters including a final "..." if it is longer."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def quote(name: str) -> str:
    """Return a name in single quotes, cut if it is long."""
    return f"'{cut(name)}'"


def list_names(names: Iterable[str]) -> str:
    """Return names as `'a', 'b'`, at most ten of them with the number of the rest, or "none"."""
    return cut_list(names, quote) or "none"


def cut_list(names: Iterable[str], show: Callable[[str], str] = cut) -> str:
    """Return the first ten names, formatted by `show`, and how many more there are."""
    listed = list(names)
    shown = ", ".join([show(name) for name in listed[:NAMES]])
    more = len(listed) - NAMES
    return f"{shown} and {more} more" if more > 0 else shown
