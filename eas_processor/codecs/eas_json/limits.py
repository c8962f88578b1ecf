"""
How deep a JSON body may be, and how much memory its values may take: looked at before it is parsed.

A parser recurses for each level, and orjson 3.9.7 (the newest for Python 3.7) crashes on deep ones.
A list of three bytes, `[],`, becomes 120 bytes of memory, so 64 MiB of them would be 2.7 GB.
"""

import re
from typing import Any, Dict, Iterator, Tuple

import numpy as np

from eas_processor.codecs.eas_json.marks import BACKSLASH, QUOTE, Marks, find_quotes
from eas_processor.codecs.errors import CodecError

MAX_DEPTH = 64
"""Levels of lists and objects: a tensor has 32 at most, and `instances` by name three around it."""

MAX_MB = 512
"""Megabytes that the values of one body may take, as Python objects and then as arrays."""

# Bytes that each of these stands for at most, in Python 3.6 to 3.13: the object, its place in a
# list, and its places while the tensor is made. A comma stands for a number.
_WEIGHTS: Dict[int, int] = {
    ord("["): 140,
    ord("{"): 320,
    ord(","): 58,
    ord(":"): 64,
    QUOTE: 64,
    # Python 3.6 makes an object for each escape and for each text between two.
    BACKSLASH: 128,
}
# What a string takes for each byte of text: as bytes for the parser, within it, and for the tensor;
# and for each of the 1 to 4 bytes that Python has for its characters, there twice for a moment.
_TEXT_WEIGHT, _WIDTH_WEIGHT = 3, 2
# No text has more weight for each of its bytes: "{}," is the heaviest.
_HEAVIEST = 137

_PIECE = 128 * 1024

# The escapes of characters beyond U+FFFF, and of all others that may not fit one byte.
_PAIR = re.compile(rb"\\u[dD][89abAB]")
_UNICODE = re.compile(rb"\\u")
_ESCAPE_SIZE = len("\\ud800")


def check_depth(body: bytes) -> None:
    """Raise CodecError when `body` has more levels than `MAX_DEPTH`; for small bodies."""
    # Most bodies open all they do in their first bytes: to look for more takes 0.5 us for 15 KB,
    # and to count 9.
    if body.rfind(b"[", MAX_DEPTH) < 0 and body.rfind(b"{", MAX_DEPTH) < 0:
        return
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        depth = Marks(np.frombuffer(body, np.uint8)).depths
        if depth.size and depth.max() > MAX_DEPTH:
            raise too_deep()


def too_deep() -> CodecError:
    """Return the refusal of a body that has more levels than `MAX_DEPTH`."""
    return CodecError(f"the JSON request is nested too deeply: more than {MAX_DEPTH} levels")


def check_memory(body: "np.ndarray[Any, Any]") -> None:
    """Raise CodecError when the values of `body` can take more memory than `MAX_MB`."""
    limit = MAX_MB * 1000000
    # Each step is slower and more exact than the one before.
    if body.size * _HEAVIEST <= limit or _weigh_all(body) <= limit:
        return
    weight = _weigh(body)
    if weight > limit:
        raise CodecError(
            f"the values of the JSON request can take {weight // 1000000} MB of memory, expected "
            f"no more than {MAX_MB}: send fewer, or a PredictRequest as application/octet-stream"
        )


def _weigh_all(body: "np.ndarray[Any, Any]") -> int:
    """Return the weight of `body` as if what stands in strings counted too."""
    counts = dict.fromkeys(_WEIGHTS, 0)
    for piece in _pieces(body):
        for character in counts:
            counts[character] += int(np.count_nonzero(piece == character))
    texts = body.size if counts[QUOTE] else 0
    return _sum(counts) + texts * _text_weight(body, counts[BACKSLASH])


def _weigh(body: "np.ndarray[Any, Any]") -> int:
    """Return the weight of `body`, at least where it is JSON."""
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
    """Return the bytes of a piece that are in strings, and whether its end is."""
    edges = np.concatenate(([0] if inside else [], quotes)).astype(np.int64)
    ends_inside = bool(edges.size & 1)
    if ends_inside:
        edges = np.append(edges, size)
    return int((edges[1::2] - edges[::2]).sum()), ends_inside


def _sum(counts: Dict[int, int]) -> int:
    return sum(_WEIGHTS[character] * count for character, count in counts.items())


def _text_weight(body: "np.ndarray[Any, Any]", escapes: int) -> int:
    """Return what a byte of text in strings stands for at most."""
    highest = max((int(piece.max()) for piece in _pieces(body)), default=0)
    # One character beyond U+00FF, or U+FFFF, makes all of its string as wide.
    if highest >= 0xF0 or (escapes and _has(_PAIR, body)):
        width = 4
    else:
        width = 2 if highest >= 0xC4 or (escapes and _has(_UNICODE, body)) else 1
    return _TEXT_WEIGHT + width * _WIDTH_WEIGHT


def _has(escape: "re.Pattern[bytes]", body: "np.ndarray[Any, Any]") -> bool:
    return any(escape.search(piece.data) for piece in _pieces(body, overlap=_ESCAPE_SIZE))


def _pieces(body: "np.ndarray[Any, Any]", overlap: int = 0) -> "Iterator[np.ndarray[Any, Any]]":
    return (body[start : start + _PIECE + overlap] for start in range(0, body.size, _PIECE))
