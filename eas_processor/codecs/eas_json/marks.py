"""Find the brackets and commas of a JSON text with numpy, which releases the GIL."""

from typing import Any, Tuple

import numpy as np

QUOTE, COMMA, BACKSLASH = b'",\\'

# "[" and "{" differ in this bit only, and so do "]" and "}".
_CASE = np.uint8(0x20)
_OPEN, _CLOSE = b"{}"

_STEPS = np.zeros(256, np.int8)
_STEPS[[ord("["), ord("{")]] = 1
_STEPS[[ord("]"), ord("}")]] = -1


class Marks:
    """
    The brackets and commas of a piece of text that are outside strings.

    `positions` are their places, and `depths` the depth after each, relative to the piece's start.
    The attributes `inside` and `escaped` tell whether the piece ends within a string, and whether
    its last byte is a backslash that escapes the next one. The arguments tell the same of the text
    before the piece. In invalid JSON, the marks are right up to the first error, where a parser
    stops.
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
    Return the positions of the quotes that begin or end strings, and whether `text` escapes.

    `escaped` tells whether a backslash before `text` escapes its first byte. The second value tells
    the same of the byte after `text`.
    """
    first = 1 if escaped and text.size else 0
    quotes = np.flatnonzero(text[first:] == QUOTE) + first
    slashes = np.flatnonzero(text[first:] == BACKSLASH) + first
    if not slashes.size:
        return quotes, escaped and not first
    begins = np.flatnonzero(np.concatenate(([True], np.diff(slashes) != 1)))
    lengths = np.diff(np.append(begins, slashes.size))
    # Backslashes escape each other in pairs, so a run of odd length escapes the byte after it.
    hit = (slashes[begins] + lengths)[lengths & 1 == 1]
    return quotes[~np.isin(quotes, hit)], bool(hit.size and hit[-1] == text.size)
