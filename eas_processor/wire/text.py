"""What a sentence may repeat of a request: names and values from outside are cut.

A refusal that quoted a name of 60 MB would be an answer of 60 MB. Every name and value that comes
from a request passes through here before it becomes part of a sentence.
"""

from typing import Iterable

#: Characters that a sentence repeats of one name or value.
LIMIT = 80

#: Names that a sentence lists before it says how many more there are.
NAMES = 10


def cut(text: str, limit: int = LIMIT) -> str:
    """`text` as it is, or its first characters and "...", `limit` characters in all."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def cut_names(names: Iterable[str], limit: int = NAMES) -> str:
    """`names` joined by commas, each one cut; past `limit` names "and N more"."""
    listed = list(names)
    shown = ", ".join(cut(name) for name in listed[:limit])
    more = len(listed) - limit
    return f"{shown} and {more} more" if more > 0 else shown
