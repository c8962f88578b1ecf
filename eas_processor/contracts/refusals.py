"""
Why a call is refused, in one tree; each knows its status code (`link.codes`).

    Refusal
    ├── BadRequest          INVALID_ARGUMENT     the request cannot be understood
    ├── Unauthorized        UNAUTHENTICATED      the token is missing or wrong
    ├── NotFound            NOT_FOUND            no service or route answers here
    ├── DeadlineExceeded    DEADLINE_EXCEEDED    not answered within the time that was given
    ├── BodyTooLarge        TOO_LARGE            the body is larger than the engine takes
    ├── AnswerTooLarge      TOO_LARGE            the answer is larger than the engine holds
    ├── TooManyRequests     RATE_LIMITED         more came than the service lets in
    ├── QueueFull           QUEUE_FULL           no place to wait, or no memory for the body
    ├── InternalError       INTERNAL             a fault that is not the request's
    └── NotReady            UNAVAILABLE          no instance can answer now

HTTP has a few of its own (`frontends.http.refusals`).
"""

from __future__ import annotations

from eas_processor.errors import EasError
from eas_processor.link import codes


class Refusal(EasError):
    """One call is refused, said in one sentence."""

    code = codes.INTERNAL


class BadRequest(Refusal):
    """The request cannot be understood."""

    code = codes.INVALID_ARGUMENT


class Unauthorized(Refusal):
    """The token is missing or wrong."""

    code = codes.UNAUTHENTICATED


class NotFound(Refusal):
    """No service or route answers here."""

    code = codes.NOT_FOUND


class DeadlineExceeded(Refusal):
    """The request was not answered, or did not arrive, within the time that was given."""

    code = codes.DEADLINE_EXCEEDED


class BodyTooLarge(Refusal):
    """The body is larger than the engine takes."""

    code = codes.TOO_LARGE


class AnswerTooLarge(Refusal):
    """The answer is larger than the engine holds for a client."""

    code = codes.TOO_LARGE


class TooManyRequests(Refusal):
    """More requests came than the service lets in."""

    code = codes.RATE_LIMITED


class QueueFull(Refusal):
    """Every instance is busy and the queue is full, or there is no memory for the body."""

    code = codes.QUEUE_FULL


class InternalError(Refusal):
    """The processor or the engine failed for a reason that is not the request's."""


class NotReady(Refusal):
    """No instance can answer now."""

    code = codes.UNAVAILABLE
