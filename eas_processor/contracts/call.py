"""One request on its way through the engine."""

from __future__ import annotations

import itertools
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

from eas_processor.link.frames import ARRAY_PROTO

if TYPE_CHECKING:
    from eas_processor.contracts.account import Account
    from eas_processor.contracts.backend import Backend
    from eas_processor.contracts.refusals import Refusal

_numbers = itertools.count(1)


class Call:
    """
    A request body on its way to a worker, and a place for the answer.

    `codec` is the number of its encoding (`link.frames`). `body` is the list of pieces it arrived
    in: it is never joined in the engine. `deadline` is in seconds of CLOCK_MONOTONIC, 0.0 for
    none. `instance` is set while a worker holds the request and somebody waits for its answer.
    `began` and `submitted` are when its head began and when it had arrived whole, 0.0 for one
    that no client sent; `times` are the seconds that it spent waiting, being decoded, run and
    encoded, once it is answered by a worker. `line` is where its deadline is watched. Whoever
    sends a request subclasses this and implements `answer`.
    """

    __slots__ = (
        "began",
        "body",
        "codec",
        "deadline",
        "instance",
        "line",
        "number",
        "size",
        "submitted",
        "times",
    )

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.codec = ARRAY_PROTO
        self.body: list[bytes] = []
        self.size = 0
        self.deadline = 0.0
        self.instance: Backend | None = None
        self.line: MutableMapping[int, Call] | None = None
        self.began = self.submitted = 0.0
        self.times: tuple[float, float, float, float] | None = None

    @property
    def account(self) -> Account | None:
        """Who pays for what is held of it, if that is large; nobody, if no client sent it."""
        return None

    def answer(self, code: int, payload: list[bytes]) -> None:
        """Take what came of the call: the response body for `OK`, else a sentence; `link.codes`."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> None:
        """Answer with the code and the sentence of `refusal`."""
        self.answer(refusal.code, [str(refusal).encode()])
