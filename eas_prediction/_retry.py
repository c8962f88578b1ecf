"""Trying again after a failure."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Container, TypeVar

if TYPE_CHECKING:
    from tenacity import RetryCallState

from .exception import InvalidRequest, PredictException

T = TypeVar("T")

logger = logging.getLogger("eas_prediction")

RETRIED_STATUSES = frozenset({429, 450, *range(500, 600)})


@dataclass(frozen=True)
class RetryPolicy:
    """
    How often a failed request is sent again, and after which pauses.

    The pause before the second attempt is at most `backoff` seconds, doubled for every later one up
    to `max_backoff`; each is drawn at random from the upper half, so that many clients do not come
    back together. A `Retry-After` of the service is kept to. The client's timeout bounds the sum.

    `statuses` are those of answers that are tried again; `lost_connections` says whether failures
    without an answer are.
    """

    attempts: int = 5
    """In total, the first one included."""
    backoff: float = 0.05
    max_backoff: float = 2.0
    statuses: Container[int] = field(default=RETRIED_STATUSES, repr=False)
    lost_connections: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise InvalidRequest(f"RetryPolicy: attempts is at least 1, got {self.attempts!r}")
        if isinstance(self.statuses, str) or not hasattr(self.statuses, "__contains__"):
            raise InvalidRequest(
                f"RetryPolicy: statuses such as {{450, 503}} are expected, got {self.statuses!r}"
            )
        try:
            right = 0 <= self.backoff <= self.max_backoff
        except TypeError:
            right = False
        if not right:
            raise InvalidRequest(
                "RetryPolicy: 0 <= backoff <= max_backoff is expected, "
                f"got backoff {self.backoff!r} and max_backoff {self.max_backoff!r}"
            )

    def covers(self, failure: BaseException) -> bool:
        """Whether a request that failed so is sent again."""
        if not isinstance(failure, PredictException):
            return False
        if failure.status is not None:
            return failure.status in self.statuses
        return failure.transient and self.lost_connections

    def pause(self, attempt: int) -> float:
        """Seconds between `attempt` (1 is the first) and the next."""
        longest = min(self.backoff * 2 ** (attempt - 1), self.max_backoff)
        return random.uniform(longest / 2, longest)


def retry(
    attempt: Callable[[], T], first_failure: PredictException, policy: RetryPolicy, deadline: float
) -> T:
    """Make the attempts that follow `first_failure`, until `deadline` on the monotonic clock."""
    # Not at the top: it takes 30 ms to import, and most scripts never fail.
    from tenacity import Retrying

    made = [first_failure]

    def replay_then_attempt() -> T:
        if made:
            raise made.pop()
        return attempt()

    return Retrying(**_rules(policy, deadline))(replay_then_attempt)


async def retry_async(
    attempt: Callable[[], Awaitable[T]],
    first_failure: PredictException,
    policy: RetryPolicy,
    deadline: float,
) -> T:
    """The same for attempts that are awaited."""
    from tenacity import AsyncRetrying

    made = [first_failure]

    async def replay_then_attempt() -> T:
        if made:
            raise made.pop()
        return await attempt()

    return await AsyncRetrying(**_rules(policy, deadline))(replay_then_attempt)


def _rules(policy: RetryPolicy, deadline: float) -> dict[str, Any]:
    from tenacity import retry_if_exception

    # tenacity 8.0 passes `retry_state` by that name.
    def give_up(retry_state: RetryCallState) -> bool:
        left = deadline - time.monotonic()
        return retry_state.attempt_number >= policy.attempts or left <= _asked_for(retry_state)

    def pause(retry_state: RetryCallState) -> float:
        left = deadline - time.monotonic()
        # The attempt needs time too; but a pause that the service asked for is not cut short.
        return max(min(policy.pause(retry_state.attempt_number), left / 2), _asked_for(retry_state))

    return {
        "retry": retry_if_exception(policy.covers),
        "stop": give_up,
        "wait": pause,
        "before_sleep": _log,
        "reraise": True,
    }


def _failure(retry_state: RetryCallState) -> PredictException:
    assert retry_state.outcome is not None
    failure = retry_state.outcome.exception()
    assert isinstance(failure, PredictException)
    return failure


def _asked_for(retry_state: RetryCallState) -> float:
    failure = _failure(retry_state)
    return 0.0 if failure.elsewhere else failure.retry_after or 0.0


def _log(retry_state: RetryCallState) -> None:
    logger.debug("attempt %d failed: %s", retry_state.attempt_number, _failure(retry_state))
