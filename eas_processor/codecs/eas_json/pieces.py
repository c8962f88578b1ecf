"""
Parse a large JSON text in pieces, with pauses between them in which other threads can run.

A list or object that is longer than a piece stays open while its elements are read. Its text is cut
at its commas. Each part is put in brackets and parsed, and the resulting elements are added to the
open list or object. An element that is longer than a piece is opened in the same way. The result
equals that of one parse, and errors have the same byte and message.
"""

from typing import Any, List, Tuple

import numpy as np

from eas_processor.codecs.eas_json.limits import MAX_DEPTH, check_memory, too_deep
from eas_processor.codecs.eas_json.marks import Marks
from eas_processor.codecs.eas_json.text import NotJson, loads
from eas_processor.codecs.eas_json.turns import Pauses

PIECE = 64 * 1024
"""The bytes of text that are parsed at once, if there is a comma to cut at."""

_SPACE = b" \t\n\r"
_BRACKETS = {b"[": b"]", b"{": b"}"}
_COMMA = ord(",")


class _Open:
    """A list or object whose end is not yet read, and its `key` in the object around it."""

    __slots__ = ("bracket", "key", "values")

    def __init__(self, bracket: bytes, key: Any) -> None:
        self.bracket = bracket
        self.key = key
        self.values: Any = [] if bracket == b"[" else {}

    def add(self, values: Any) -> None:
        """Add the elements of one piece."""
        if self.bracket == b"[":
            self.values += values
        else:
            self.values.update(values)


class PieceReader:
    """
    Reads one text, an array of bytes.

    `parts` keeps the elements of each piece, so that `discard` can free them piece by piece.
    Freeing millions of objects at once would stop all threads.
    """

    def __init__(self, text: "np.ndarray[Any, Any]", exact: bool, piece: int = PIECE) -> None:
        self._text = text
        self._exact = exact
        self._piece = piece
        self._open: List[_Open] = []
        self._pause = Pauses()
        self.parts: List[Any] = []

    def read(self) -> Any:
        """Return the value of the text. Raises NotJson, and CodecError if a limit is exceeded."""
        check_memory(self._text)
        begin = self._skip_space(0)
        bracket = self._text[begin : begin + 1].tobytes()
        if bracket not in _BRACKETS:
            return loads(self._text.tobytes(), self._exact)
        self._open.append(_Open(bracket, None))
        top = self._open[0].values
        position, after_comma = begin + 1, False
        while self._open:
            position, after_comma = self._read_piece(position, after_comma)
            self._pause()
        rest = self._skip_space(position)
        if rest < self._text.size:
            raise NotJson("Extra data", rest)
        return top

    def discard(self) -> None:
        """Free the values piece by piece. The caller must not keep references to them."""
        self._open.clear()
        while self.parts:
            del self.parts[-1]
            self._pause()

    def _read_piece(self, start: int, after_comma: bool) -> Tuple[int, bool]:
        """Read elements from `start` on; return the end, and whether an element must follow it."""
        window, marks, depths = self._look(start)
        closing = np.flatnonzero(depths < 0)[:1]
        if closing.size:
            marks, depths = marks[: closing[0] + 1], depths[: closing[0] + 1]
        if depths.size and len(self._open) + int(depths.max()) > MAX_DEPTH:
            raise too_deep()
        if closing.size:
            end = int(marks[-1])
            self._add(start, window[:end], window[end : end + 1], blank=not after_comma)
            return self._close(start + end + 1)
        commas = marks[(depths == 0) & (window[marks] == _COMMA)]
        if commas.size:
            end = int(commas[-1])
            self._add(start, window[:end], _BRACKETS[self._open[-1].bracket], blank=False)
            return start + end + 1, True
        end = int(marks[0]) if marks.size else window.size
        self._open_next(start, window[:end].tobytes(), window[end : end + 1].tobytes())
        return start + end + 1, False

    def _look(self, start: int) -> "Tuple[np.ndarray[Any, Any], ...]":
        """Return a piece with its marks and depths, extended until it has at least one mark."""
        end, inside, escaped = start, False, False
        while True:
            piece = self._text[end : end + self._piece]
            marks = Marks(piece, inside, escaped)
            if marks.positions.size or end + piece.size >= self._text.size:
                window = self._text[start : end + piece.size]
                return window, marks.positions + (end - start), marks.depths
            end += piece.size
            inside, escaped = marks.inside, marks.escaped
            self._pause()

    def _add(self, start: int, elements: "np.ndarray[Any, Any]", closer: Any, blank: bool) -> None:
        """Parse the elements at `start`, and add them to the open value; `blank` allows none."""
        top = self._open[-1]
        text = b"".join([top.bracket, elements.data, closer])
        if not blank and self._skip_space(start) >= start + elements.size:
            what = "value" if top.bracket == b"[" else "property name enclosed in double quotes"
            raise NotJson(f"Expecting {what}", self._skip_space(start))
        part = self._loads(text, start)
        self.parts.append(part)
        top.add(part)

    def _open_next(self, start: int, before: bytes, bracket: bytes) -> None:
        """Open the long element at `start`; `before` is the text before its bracket, its name."""
        top = self._open[-1]
        # If there is no bracket, the text ends here, and parsing raises the error for that.
        closers = b"[]" + _BRACKETS[top.bracket] if bracket else b""
        part = self._loads(top.bracket + before + closers, start)
        self._open.append(_Open(bracket, next(iter(part))))

    def _close(self, position: int) -> Tuple[int, bool]:
        """Close all open values that end at `position`; return as `_read_piece` does."""
        while True:
            closed = self._open.pop()
            if not self._open:
                return position, False
            top = self._open[-1]
            top.add([closed.values] if top.bracket == b"[" else {closed.key: closed.values})
            position = self._skip_space(position) + 1
            follows = self._text[position - 1 : position].tobytes()
            if follows == b",":
                return position, True
            if follows != _BRACKETS[top.bracket]:
                raise NotJson("Expecting ',' delimiter", position - 1)

    def _skip_space(self, start: int) -> int:
        """Return the position of the first byte from `start` on that is not white space."""
        while start < self._text.size:
            piece = self._text[start : start + self._piece].tobytes()
            rest = len(piece.lstrip(_SPACE))
            start += len(piece) - rest
            if rest:
                break
        return start

    def _loads(self, text: bytes, start: int) -> Any:
        """Parse `text`, which is one bracket and then the bytes at `start`."""
        try:
            return loads(text, self._exact)
        except NotJson as error:
            raise NotJson(error.message, start - 1 + error.offset) from None
