"""Retries after failures."""

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
    Which failures are retried, how often, and after which pauses.

    The pause before the second attempt is at most `backoff` seconds. It doubles for each later
    attempt, up to `max_backoff`. Each pause is random between half of that and all of it, so that
    many clients do not retry at the same moment. A `Retry-After` of the service is respected. The
    client's timeout limits the whole time.

    Answers with one of `statuses` are retried. `lost_connections` tells whether failures without
    an answer are retried.
    """

    attempts: int = 5
    """The number of attempts, including the first."""
    backoff: float = 0.05
    max_backoff: float = 2.0
    statuses: Container[int] = field(default=RETRIED_STATUSES, repr=False)
    lost_connections: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise InvalidRequest(
                f"RetryPolicy: attempts: expected 1 or more, got {self.attempts!r}"
            )
        if isinstance(self.statuses, str) or not hasattr(self.statuses, "__contains__"):
            raise InvalidRequest(
                f"RetryPolicy: statuses: expected a set such as {{450, 503}}, got {self.statuses!r}"
            )
        try:
            right = 0 <= self.backoff <= self.max_backoff
        except TypeError:
            right = False
        if not right:
            raise InvalidRequest(
                "RetryPolicy: expected 0 <= backoff <= max_backoff, "
                f"got backoff {self.backoff!r} and max_backoff {self.max_backoff!r}"
            )

    def covers(self, failure: BaseException) -> bool:
        """Whether a request with this failure is retried."""
        if not isinstance(failure, PredictException):
            return False
        if failure.status is not None:
            return failure.status in self.statuses
        return failure.transient and self.lost_connections

    def pause(self, attempt: int) -> float:
        """Return the seconds between `attempt` (1 is the first) and the next."""
        longest = min(self.backoff * 2 ** (attempt - 1), self.max_backoff)
        return random.uniform(longest / 2, longest)


def retry(
    attempt: Callable[[], T], first_failure: PredictException, policy: RetryPolicy, deadline: float
) -> T:
    """Make the attempts that follow `first_failure`, until `deadline` on the monotonic clock."""
    # Imported here, because it takes 30 ms and most scripts never fail.
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
    """Do the same as `retry` for attempts that are awaited."""
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
        # The attempt needs time too, but a pause that the service asked for is not shortened.
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
