"""Where the brackets and commas of a JSON text are, by numpy, which lets other threads run."""

from typing import Any, Tuple

import numpy as np

QUOTE, COMMA, BACKSLASH = b'",\\'

# "[" and "{" differ in one bit, and so do "]" and "}".
_CASE = np.uint8(0x20)
_OPEN, _CLOSE = b"{}"

_STEPS = np.zeros(256, np.int8)
_STEPS[[ord("["), ord("{")]] = 1
_STEPS[[ord("]"), ord("}")]] = -1


class Marks:
    """
    The brackets and commas of a piece of text that are outside strings.

    `positions` are theirs, `depths` the depth after each, 0 at the beginning. `inside` and
    `escaped` tell how the piece ends: in a string, after a backslash that escapes what follows;
    and those given tell how it begins. What is not JSON has marks too, right up to its first
    fault, which is where a parser stops.
    """

    __slots__ = ("depths", "escaped", "inside", "positions")

    def __init__(
        self, text: "np.ndarray[Any, Any]", inside: bool = False, escaped: bool = False
    ) -> None:
        folded = text | _CASE
        marks = np.flatnonzero((folded == _OPEN) | (folded == _CLOSE) | (text == COMMA))
        quotes, self.escaped = find_quotes(text, escaped)
        if quotes.size or inside:
            marks = marks[np.searchsorted(quotes, marks) & 1 == int(inside)]
        self.positions = marks
        self.depths = np.cumsum(_STEPS[text[marks]], dtype=np.int32)
        self.inside = inside ^ bool(quotes.size & 1)


def find_quotes(
    text: "np.ndarray[Any, Any]", escaped: bool = False
) -> "Tuple[np.ndarray[Any, Any], bool]":
    """
    Return the positions of the quotes that begin or end a string.

    `escaped` says that a backslash before `text` escapes its first byte; the second value says
    the same of the byte that follows `text`.
    """
    first = 1 if escaped and text.size else 0
    quotes = np.flatnonzero(text[first:] == QUOTE) + first
    slashes = np.flatnonzero(text[first:] == BACKSLASH) + first
    if not slashes.size:
        return quotes, escaped and not first
    begins = np.flatnonzero(np.concatenate(([True], np.diff(slashes) != 1)))
    lengths = np.diff(np.append(begins, slashes.size))
    # Of two backslashes the second is the escaped one, so runs of odd length escape what follows.
    hit = (slashes[begins] + lengths)[lengths & 1 == 1]
    return quotes[~np.isin(quotes, hit)], bool(hit.size and hit[-1] == text.size)
