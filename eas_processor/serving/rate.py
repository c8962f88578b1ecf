"""Limits for the rate and the concurrency of requests."""

from __future__ import annotations

from time import monotonic

from eas_processor.contracts.refusals import TooManyRequests
from eas_processor.contracts.settings import ServiceSettings


class RateLimit:
    """A token bucket that holds the requests of one second."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._tokens = per_second
        self._filled = monotonic()

    def take(self) -> bool:
        """Take one request from the bucket, and return whether there was one."""
        now = monotonic()
        self._tokens = min(self._rate, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class GatewayPolicy:
    """The limits over all instances, from `networking.gateway_policy`."""

    def __init__(self, rate: float, concurrency: int) -> None:
        self._per_second = rate
        self._rate = RateLimit(rate) if rate else None
        self._concurrency = concurrency

    @classmethod
    def of(cls, settings: ServiceSettings) -> GatewayPolicy | None:
        """Return the policy of `settings`; None if it sets no limit."""
        rate, concurrency = settings.gateway_rate, settings.gateway_concurrency
        return cls(rate, concurrency) if rate or concurrency else None

    def take(self, outstanding: int) -> TooManyRequests | None:
        """Admit one more request to the `outstanding` ones, or return why it is refused."""
        if self._concurrency and outstanding >= self._concurrency:
            return TooManyRequests(
                f"{outstanding} requests are in flight (limit set by "
                "networking.gateway_policy.concurrency_limit); try again in a moment"
            )
        if self._rate is not None and not self._rate.take():
            return TooManyRequests(
                f"more than {self._per_second:g} requests per second (limit set by "
                "networking.gateway_policy.rate_limit); try again in a moment"
            )
        return None
