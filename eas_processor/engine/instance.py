"""One instance as the engine sees it: its state, its sockets, and the requests it holds."""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Callable
from typing import Any

from eas_processor.engine.request import Request
from eas_processor.engine.settings import ServiceSettings
from eas_processor.errors import NotReady
from eas_processor.link.frames import BULK_SIZE, CANCEL, HEAD, PREDICT, STOP, WARMED, Frame, pack

BYTE_CREDIT = 64 * 1024 * 1024
"""Bytes of large request bodies that one worker holds at a time, unless a single body is larger."""

_HEARTBEATS_MISSED = 15


class State(enum.Enum):
    """
    The life of an instance.

        STARTING ──▶ WARMING ──▶ READY ──▶ STOPPING ──▶ DEAD
            └────────────┴─────────┴──────────────────────▲
    """

    STARTING = "starting"
    WARMING = "warming up"
    READY = "ready"
    STOPPING = "stopping"
    DEAD = "dead"


class Instance:
    """
    One worker.

    `on_credit` is called when answers have freed credit; `on_death` once, with the state it died in.
    """

    def __init__(
        self,
        number: int,
        settings: ServiceSettings,
        on_credit: Callable[[Instance], None],
        on_death: Callable[[Instance, State], None],
    ) -> None:
        self.number = number
        self.state = State.STARTING
        self.pid = 0
        self.held: dict[int, Request] = {}
        """What the worker holds, by number, until it has answered; also what nobody waits for any more."""
        self.held_bytes = 0
        self.info: dict[str, Any] = {}
        self.failure = ""
        """Why the worker could not start, or how it died."""
        self.last_words = ""
        """The last line that the worker printed."""
        self._credit = settings.credit
        self._links: dict[str, asyncio.Transport] = {}
        self._on_credit = on_credit
        self._on_death = on_death
        self._loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missed = 0

    def attach(self, channel: str, transport: asyncio.Transport, pid: int) -> None:
        """Take over a socket that the worker has opened."""
        self._links[channel] = transport
        self.pid = pid

    async def loaded(self) -> None:
        """Wait until the worker has loaded its model, or has failed to; see `failure`."""
        await self._loaded

    def has_credit(self, size: int) -> bool:
        """Whether the worker may be given a request of `size` bytes now."""
        if len(self.held) >= self._credit:
            return False
        # Small bodies are bounded by their number; behind a large one they would wait for its whole run.
        return size <= BULK_SIZE or not self.held_bytes or self.held_bytes + size <= BYTE_CREDIT

    def send(self, request: Request) -> None:
        """Give the worker a request; its answer comes back through `Request.answer`."""
        size = request.size
        request.instance = self
        self.held[request.number] = request
        self.held_bytes += size
        link = self._links["bulk" if size > BULK_SIZE else "data"]
        link.writelines(
            [HEAD.pack(size, PREDICT, 0, 0, request.number, request.deadline), *request.body]
        )

    def cancel(self, request: Request) -> None:
        """Tell the worker that nobody waits for `request` any more; its credit is free once the worker has answered."""
        request.instance = None
        request.body = []
        link = self._links["bulk" if request.size > BULK_SIZE else "data"]
        link.write(pack(CANCEL, number=request.number))

    def replies(self, frames: list[Frame]) -> None:
        """Hand the answers that have arrived to whoever waits for them."""
        for _, status, number, _, payload in frames:
            request = self.held.pop(number)
            self.held_bytes -= request.size
            if request.instance is self:
                request.instance = None
                request.answer(status, payload)
        self._on_credit(self)

    def has_loaded(self, facts: bytes) -> None:
        """Note that the model is loaded; `facts` is the payload of the READY frame."""
        self.info = json.loads(facts)
        self.state = State.WARMING
        self._settle()

    def has_failed(self, sentence: str) -> None:
        """Note why the worker could not load its model."""
        self.failure = self.failure or sentence
        self._settle()

    def has_warmed(self) -> None:
        """Note that warm-up is over: the instance takes requests from now on."""
        self.state = State.READY
        self._links["control"].write(pack(WARMED))

    def beat(self) -> None:
        """Note a sign of life."""
        self._missed = 0

    def silent(self) -> bool:
        """Count a second without a sign of life; whether there have been too many while it should serve."""
        # Counted in ticks of this loop, so that an engine that was itself held up does not blame its workers.
        self._missed += 1
        return self.state is State.READY and self._missed > _HEARTBEATS_MISSED

    def stop(self) -> None:
        """Ask the worker to end."""
        if self.state is State.DEAD:
            return
        self.state = State.STOPPING
        if control := self._links.get("control"):
            control.write(pack(STOP))

    def died(self, how: str) -> None:
        """Refuse what the worker held, close its sockets, and say so to `on_death`."""
        was, self.state = self.state, State.DEAD
        if self._loaded.done():
            self.failure = self.failure or f"the worker died ({how})"
        else:
            said = f"; its last words: {self.last_words}" if self.last_words else ""
            self.failure = f"the worker died while it loaded the model ({how}){said}"
        for link in self._links.values():
            link.close()
        held, self.held = self.held, {}
        gone = NotReady(f"the worker that held this request died ({how}); try again")
        for request in held.values():
            if request.instance is self:
                request.instance = None
                request.answer(gone.status, [str(gone).encode()])
        self._settle()
        self._on_death(self, was)

    def _settle(self) -> None:
        if not self._loaded.done():
            self._loaded.set_result(None)
