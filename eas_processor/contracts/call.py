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
    A request body on its way to an instance. Senders subclass this and implement `answer`.

    `codec` is the number of the body's encoding (`link.frames`). `body` contains the pieces in
    which the body arrived; the engine never joins them. `deadline` is in seconds of
    CLOCK_MONOTONIC, 0.0 for none. `instance` is set while an instance holds the call and somebody
    waits for its answer. `began` and `submitted` are the times at which the first byte and the
    last byte arrived, 0.0 for a call that no client sent. `times` are the seconds spent in the
    queue, decoding, running and encoding; a worker's answer sets them. `line` is the mapping in
    which the deadline is watched (`serving.deadlines`).
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
        """The account of its large bodies and answers; None for a call that no client sent."""
        return None

    def answer(self, code: int, payload: list[bytes]) -> None:
        """
        Take the result of the call.

        `code` is one of `link.codes`. `payload` is the response body for `OK`, else one sentence.
        """
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> None:
        """Answer with the code and the text of `refusal`."""
        self.answer(refusal.code, [str(refusal).encode()])
