"""How many requests a second are let in."""

from __future__ import annotations

from time import monotonic

from eas_processor.contracts.refusals import TooManyRequests
from eas_processor.contracts.settings import ServiceSettings


class RateLimit:
    """A bucket that holds the requests of one second and is refilled at the same rate."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._tokens = per_second
        self._filled = monotonic()

    def take(self) -> bool:
        """Let one request in, if the rate allows."""
        now = monotonic()
        self._tokens = min(self._rate, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class GatewayPolicy:
    """The limits over all instances together: `networking.gateway_policy`."""

    def __init__(self, rate: float, concurrency: int) -> None:
        self._per_second = rate
        self._rate = RateLimit(rate) if rate else None
        self._concurrency = concurrency

    @classmethod
    def of(cls, settings: ServiceSettings) -> GatewayPolicy | None:
        """Return the policy of `settings`, None where it limits nothing."""
        rate, concurrency = settings.gateway_rate, settings.gateway_concurrency
        return cls(rate, concurrency) if rate or concurrency else None

    def take(self, outstanding: int) -> TooManyRequests | None:
        """Let one more in beside those `outstanding`, or return why not."""
        if self._concurrency and outstanding >= self._concurrency:
            return TooManyRequests(
                f"{outstanding} requests are on their way, the most that are let in "
                "(networking.gateway_policy.concurrency_limit); try again in a moment"
            )
        if self._rate is not None and not self._rate.take():
            return TooManyRequests(
                f"more than {self._per_second:g} requests a second came "
                "(networking.gateway_policy.rate_limit); try again in a moment"
            )
        return None
