"""
The refusals of a call, in one tree. Each has a status code (`link.codes`).

    Refusal
    ├── BadRequest          INVALID_ARGUMENT     the request cannot be understood
    ├── Unauthorized        UNAUTHENTICATED      the token is missing or wrong
    ├── NotFound            NOT_FOUND            no service or route answers here
    ├── DeadlineExceeded    DEADLINE_EXCEEDED    not answered before the deadline
    ├── BodyTooLarge        TOO_LARGE            the body is larger than the engine's limit
    ├── AnswerTooLarge      TOO_LARGE            the answer is larger than the engine's limit
    ├── TooManyRequests     RATE_LIMITED         a rate or concurrency limit is reached
    ├── QueueFull           QUEUE_FULL           the queue, or the memory for bodies, is full
    ├── InternalError       INTERNAL             the processor or the engine failed
    └── NotReady            UNAVAILABLE          no instance can answer now

`frontends.http.refusals` adds those that only HTTP has.
"""

from __future__ import annotations

from eas_processor.errors import EasError
from eas_processor.link import codes


class Refusal(EasError):
    """The base of all refusals. Its text is one sentence for the client."""

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
    """The request did not arrive, or was not answered, before its deadline."""

    code = codes.DEADLINE_EXCEEDED


class BodyTooLarge(Refusal):
    """The body is larger than the engine's limit."""

    code = codes.TOO_LARGE


class AnswerTooLarge(Refusal):
    """The answer is larger than the engine's limit for memory held for clients."""

    code = codes.TOO_LARGE


class TooManyRequests(Refusal):
    """A rate or concurrency limit of the service is reached."""

    code = codes.RATE_LIMITED


class QueueFull(Refusal):
    """Every instance is busy and the queue is full, or the memory for bodies is used up."""

    code = codes.QUEUE_FULL


class InternalError(Refusal):
    """The processor or the engine failed, and the request is not at fault."""


class NotReady(Refusal):
    """No instance can answer now."""

    code = codes.UNAVAILABLE
