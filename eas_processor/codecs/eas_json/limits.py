"""
Limit the depth of a JSON body, and the memory of its values, before it is parsed.

Parsers recurse for each level, and orjson 3.9.7 (the newest for Python 3.7) crashes on deep bodies.
An empty list takes three bytes in the body, `[],`, and 120 bytes of memory, so a body of 64 MiB
could take 2.7 GB.
"""

import re
from typing import Any, Dict, Iterator, Tuple

import numpy as np

from eas_processor.codecs.eas_json.marks import BACKSLASH, QUOTE, Marks, find_quotes
from eas_processor.codecs.errors import CodecError

MAX_DEPTH = 64
"""The most levels of lists and objects. A tensor has at most 32, and `instances` adds three."""

MAX_MB = 512
"""The most megabytes that the values of one body may take, as Python objects and as arrays."""

# The most bytes of memory for each of these characters, in Python 3.6 to 3.13: the object, its
# place in a list, and its copies while the tensor is made. A comma means one number.
_WEIGHTS: Dict[int, int] = {
    ord("["): 140,
    ord("{"): 320,
    ord(","): 58,
    ord(":"): 64,
    QUOTE: 64,
    # Python 3.6 makes one object for each escape, and one for the text between two escapes.
    BACKSLASH: 128,
}
# The memory for each byte of text in strings: three copies as bytes (for the parser, in the parser,
# for the tensor), and two for each of the 1 to 4 bytes that a character takes in a `str`.
_TEXT_WEIGHT, _WIDTH_WEIGHT = 3, 2
# The most memory for one byte of a body. "{}," is the heaviest text.
_HEAVIEST = 137

_PIECE = 128 * 1024

# Escapes of characters above U+FFFF, and of all characters that may not fit into one byte.
_PAIR = re.compile(rb"\\u[dD][89abAB]")
_UNICODE = re.compile(rb"\\u")
_ESCAPE_SIZE = len("\\ud800")


def check_depth(body: bytes) -> None:
    """Raise CodecError if a small `body` has more than `MAX_DEPTH` levels."""
    # In most bodies all brackets open within the first bytes. Searching the rest takes 0.5 us for
    # 15 KB, and counting takes 9.
    if body.rfind(b"[", MAX_DEPTH) < 0 and body.rfind(b"{", MAX_DEPTH) < 0:
        return
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        depth = Marks(np.frombuffer(body, np.uint8)).depths
        if depth.size and depth.max() > MAX_DEPTH:
            raise too_deep()


def too_deep() -> CodecError:
    """Return the error for a body with more than `MAX_DEPTH` levels."""
    return CodecError(f"the JSON request is nested too deeply: more than {MAX_DEPTH} levels")


def check_memory(body: "np.ndarray[Any, Any]") -> None:
    """Raise CodecError if the values of `body` may take more memory than `MAX_MB`."""
    limit = MAX_MB * 1000000
    # Each of these estimates is slower and more exact than the one before.
    if body.size * _HEAVIEST <= limit or _weigh_all(body) <= limit:
        return
    weight = _weigh(body)
    if weight > limit:
        raise CodecError(
            f"the values of the JSON request may take {weight // 1000000} MB of memory (limit "
            f"{MAX_MB} MB): send fewer, or a PredictRequest as application/octet-stream"
        )


def _weigh_all(body: "np.ndarray[Any, Any]") -> int:
    """Return an upper bound of the weight, which also counts the characters within strings."""
    counts = dict.fromkeys(_WEIGHTS, 0)
    for piece in _pieces(body):
        for character in counts:
            counts[character] += int(np.count_nonzero(piece == character))
    texts = body.size if counts[QUOTE] else 0
    return _sum(counts) + texts * _text_weight(body, counts[BACKSLASH])


def _weigh(body: "np.ndarray[Any, Any]") -> int:
    """Return the weight of `body`; it is exact only for valid JSON."""
    counts = dict.fromkeys(_WEIGHTS, 0)
    texts, inside, escaped = 0, False, False
    for piece in _pieces(body):
        quotes, escaped = find_quotes(piece, escaped)
        counts[QUOTE] += int(quotes.size)
        counts[BACKSLASH] += int(np.count_nonzero(piece == BACKSLASH))
        for character in b"[{,:":
            positions = np.flatnonzero(piece == character)
            odd = np.searchsorted(quotes, positions) & 1
            counts[character] += int(np.count_nonzero(odd == int(inside)))
        length, inside = _length_of_texts(quotes, inside, piece.size)
        texts += length
    return _sum(counts) + texts * _text_weight(body, counts[BACKSLASH])


def _length_of_texts(quotes: "np.ndarray[Any, Any]", inside: bool, size: int) -> Tuple[int, bool]:
    """Return how many bytes of a piece are within strings, and whether it ends within one."""
    edges = np.concatenate(([0] if inside else [], quotes)).astype(np.int64)
    ends_inside = bool(edges.size & 1)
    if ends_inside:
        edges = np.append(edges, size)
    return int((edges[1::2] - edges[::2]).sum()), ends_inside


def _sum(counts: Dict[int, int]) -> int:
    return sum(_WEIGHTS[character] * count for character, count in counts.items())


def _text_weight(body: "np.ndarray[Any, Any]", escapes: int) -> int:
    """Return the most memory that one byte of text in strings takes."""
    highest = max((int(piece.max()) for piece in _pieces(body)), default=0)
    # One character above U+00FF makes all characters of its string two bytes wide, and one above
    # U+FFFF makes them four.
    if highest >= 0xF0 or (escapes and _has(_PAIR, body)):
        width = 4
    else:
        width = 2 if highest >= 0xC4 or (escapes and _has(_UNICODE, body)) else 1
    return _TEXT_WEIGHT + width * _WIDTH_WEIGHT


def _has(escape: "re.Pattern[bytes]", body: "np.ndarray[Any, Any]") -> bool:
    return any(escape.search(piece.data) for piece in _pieces(body, overlap=_ESCAPE_SIZE))


def _pieces(body: "np.ndarray[Any, Any]", overlap: int = 0) -> "Iterator[np.ndarray[Any, Any]]":
    return (body[start : start + _PIECE + overlap] for start in range(0, body.size, _PIECE))
