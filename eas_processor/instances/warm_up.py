"""Warm-up: an instance answers the requests of a file before it takes others."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

from eas_processor.contracts.call import Call
from eas_processor.errors import WarmUpError
from eas_processor.instances.instance import Instance
from eas_processor.link.codes import NAMES, OK, PROCESSOR, unpack_status
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON

log = logging.getLogger("eas_processor")

ROUNDS = 5
"""How often each request is sent."""


class _WarmUpRequest(Call):
    """A request for one instance, without a deadline, a queue or a rate limit."""

    __slots__ = ("answered",)

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.codec = codec_of(body)
        self.body = [body]
        self.size = len(body)
        self.answered: asyncio.Future[tuple[int, bytes]] = (
            asyncio.get_running_loop().create_future()
        )

    def answer(self, code: int, payload: list[bytes]) -> None:
        if not self.answered.done():
            self.answered.set_result((code, b"".join(payload)))


class WarmUpTimes:
    """Measures the requests of a warm-up, and logs the times at its end."""

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._seconds: list[float] = []
        self._began = self._last = monotonic()

    def note(self) -> None:
        """Take the time of the request that has just been answered."""
        now = monotonic()
        self._seconds.append(now - self._last)
        self._last = now

    def log_summary(self, who: object) -> None:
        """Log the number of requests, the whole time, and the times of the first and the last."""
        if self._seconds:
            first, last = self._seconds[0] * 1000, self._seconds[-1] * 1000
            facts = {"requests": self._requests, "first_ms": round(first, 2)}
            log.info(
                "%s answered %d warm-up request(s), each %d times, in %.1f s: "
                "the first took %.1f ms, the last %.1f ms",
                *(who, self._requests, ROUNDS, self._last - self._began, first, last),
                extra={"facts": facts | {"last_ms": round(last, 2)}},
            )


def codec_of(body: bytes) -> int:
    """Return the codec of a warm-up request: JSON if it begins with `{`, else `PredictRequest`."""
    # As protobuf, `{` would end a group in field 15. No version of the protocol has such a field.
    return EAS_JSON if body[:100].lstrip()[:1] == b"{" else ARRAY_PROTO


async def warm_up(instance: Instance) -> None:
    """Send an instance its warm-up requests. Raises WarmUpError if it refuses one."""
    times = WarmUpTimes(len(instance.settings.warm_up))
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
            times.note()
    if not instance.failure:
        times.log_summary(instance)


def refused(number: int, code: int, payload: bytes) -> WarmUpError:
    """Return the error for a refused request `number` of the file."""
    status, sentence = unpack_status(payload) if code == PROCESSOR else (NAMES[code], payload)
    reason = sentence.decode(errors="replace")
    return WarmUpError(
        f"warm_up_data_path: request {number} of the file was refused with {status}: {reason}"
    )
