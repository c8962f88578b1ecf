"""Warm-up: the requests of a file, sent to one instance before it takes others."""

from __future__ import annotations

import asyncio

from eas_processor.contracts.call import Call
from eas_processor.errors import WarmUpError
from eas_processor.instances.instance import Instance
from eas_processor.link.codes import NAMES, OK, PROCESSOR, unpack_status

ROUNDS = 5
"""How often each request is sent."""


class _WarmUpRequest(Call):
    """A request that is pinned to one instance, free of deadline, queue and rate."""

    __slots__ = ("answered",)

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = [body]
        self.size = len(body)
        self.answered: asyncio.Future[tuple[int, bytes]] = (
            asyncio.get_running_loop().create_future()
        )

    def answer(self, code: int, payload: list[bytes]) -> None:
        if not self.answered.done():
            self.answered.set_result((code, b"".join(payload)))


async def warm_up(instance: Instance) -> None:
    """Send an instance its warm-up requests. Raises WarmUpError when it refuses one."""
    for number, body in enumerate(instance.settings.warm_up, 1):
        for _ in range(ROUNDS):
            if instance.failure:
                return
            request = _WarmUpRequest(body)
            instance.send(request)
            instance.flush()
            code, payload = await request.answered
            if code != OK and not instance.failure:
                raise refused(number, code, payload)


def refused(number: int, code: int, payload: bytes) -> WarmUpError:
    """Return what is raised when request `number` of the file is refused."""
    status, sentence = unpack_status(payload) if code == PROCESSOR else (NAMES[code], payload)
    reason = sentence.decode(errors="replace")
    return WarmUpError(
        f"warm_up_data_path: request {number} of the file was refused with {status}: {reason}"
    )
