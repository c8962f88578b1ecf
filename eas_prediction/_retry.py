"""Trying again after a failure."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Container, TypeVar

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
        if self.attempts < 1:
            raise InvalidRequest(f"RetryPolicy: attempts is at least 1, got {self.attempts}")
        if not 0 <= self.backoff <= self.max_backoff:
            raise InvalidRequest(
                "RetryPolicy: 0 <= backoff <= max_backoff is expected, "
                f"got backoff {self.backoff} and max_backoff {self.max_backoff}"
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
    from tenacity import Retrying, retry_if_exception

    made = [first_failure]

    def replay_then_attempt() -> T:
        if made:
            raise made.pop()
        return attempt()

    # tenacity 8.0 passes `retry_state` by that name.
    def give_up(retry_state: RetryCallState) -> bool:
        left = deadline - time.monotonic()
        return retry_state.attempt_number >= policy.attempts or left <= _asked_for(retry_state)

    def pause(retry_state: RetryCallState) -> float:
        left = deadline - time.monotonic()
        # The attempt needs time too; but a pause that the service asked for is not cut short.
        return max(min(policy.pause(retry_state.attempt_number), left / 2), _asked_for(retry_state))

    return Retrying(
        retry=retry_if_exception(policy.covers),
        stop=give_up,
        wait=pause,
        before_sleep=_log,
        reraise=True,
    )(replay_then_attempt)


def _failure(retry_state: RetryCallState) -> PredictException:
    assert retry_state.outcome is not None
    failure = retry_state.outcome.exception()
    assert isinstance(failure, PredictException)
    return failure


def _asked_for(retry_state: RetryCallState) -> float:
    return _failure(retry_state).retry_after or 0.0


def _log(retry_state: RetryCallState) -> None:
    logger.debug("attempt %d failed: %s", retry_state.attempt_number, _failure(retry_state))
