"""The client of one service."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Mapping

from ._answer import failure_of
from ._auth import DEFAULT_CONTENT_TYPE, http_date, signed_headers, token_headers
from ._endpoint import (
    ENDPOINT_TYPE_DEFAULT,
    ENDPOINT_TYPE_DIRECT,
    ENDPOINT_TYPE_GATEWAY,
    ENDPOINT_TYPE_VIPSERVER,
    check_endpoint_type,
    predict_url,
)
from ._retry import RetryPolicy, retry
from ._transport import PooledTransport, Transport
from .exception import NO_ANSWER, InvalidRequest, PredictException, TimedOut
from .request import Body, body_of

__all__ = [
    "ENDPOINT_TYPE_DEFAULT",
    "ENDPOINT_TYPE_DIRECT",
    "ENDPOINT_TYPE_GATEWAY",
    "ENDPOINT_TYPE_VIPSERVER",
    "PredictClient",
]


class PredictClient:
    """
    Calls one service, from any number of threads, over connections that are kept open.

        with PredictClient("http://127.0.0.1:8080", "mnist") as client:
            client.set_token("...")
            response = client.predict(request)

    `endpoint` is a host, with port and `http://` or `https://` where needed. `custom_url` is, where
    given, the whole address to call; the token is then sent as it is instead of signing with it.
    A setting counts from the next `predict` on.
    """

    def __init__(
        self,
        endpoint: str = "",
        service_name: str = "",
        custom_url: str = "",
        *,
        transport: Transport | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        self.endpoint_name = endpoint
        self.endpoint_type = ""
        self.service_name = service_name
        self.custom_url = custom_url
        self.token = ""
        self.content_type = ""
        self.headers: dict[str, str] = {}
        self.timeout: float = 5000
        self.max_connection_count = 100
        self.retry_policy = retry_policy or RetryPolicy()
        self.transport = transport or PooledTransport(self.max_connection_count)
        self.logger = logging.getLogger("eas_prediction")

    def __enter__(self) -> PredictClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def init(self) -> None:
        """Check the settings; connections are opened when they are needed."""
        self._url()

    def close(self) -> None:
        """Close the kept connections; a later `predict` opens new ones."""
        self.transport.close()

    destroy = close

    def set_endpoint(self, endpoint: str) -> None:
        """Set the address, such as `http://127.0.0.1:8080`."""
        self.endpoint_name = endpoint

    def set_endpoint_type(self, endpoint_type: str) -> None:
        """Set what kind of address the endpoint is: an `ENDPOINT_TYPE_` constant."""
        self.endpoint_type = endpoint_type

    def set_service_name(self, service_name: str) -> None:
        """Set the service to call."""
        self.service_name = service_name

    def set_token(self, token: str) -> None:
        """Set the token of the service; empty for a public service."""
        self.token = token

    def set_content_type(self, content_type: str) -> None:
        """Set the `Content-Type` of requests."""
        self.content_type = content_type

    def add_extra_headers(self, headers: Mapping[str, str]) -> None:
        """Send these headers too, with every request."""
        if not isinstance(headers, Mapping):
            raise TypeError(f"headers: expected a dict, got {type(headers).__name__}")
        self.headers.update(headers)

    def set_timeout(self, timeout: float) -> None:
        """Set the time for one `predict` with all its attempts, in milliseconds."""
        if not timeout > 0:
            raise InvalidRequest(f"timeout: expected milliseconds, more than 0, got {timeout}")
        self.timeout = timeout

    def set_retry_count(self, count: int) -> None:
        """Set the number of attempts, the first included (0 counts as 1)."""
        self.retry_count = count

    @property
    def retry_count(self) -> int:
        """The number of attempts, the first included."""
        return self.retry_policy.attempts

    @retry_count.setter
    def retry_count(self, count: int) -> None:
        self.retry_policy = replace(self.retry_policy, attempts=max(1, count))

    def set_max_connection_count(self, count: int) -> None:
        """Set how many connections may be open at a time; more threads than that take turns."""
        if isinstance(self.transport, PooledTransport):
            self.transport.limit(count)
        self.max_connection_count = count

    def set_log_level(self, log_level: int | str) -> None:
        """Set the level of the `eas_prediction` logger, which all clients share."""
        self.logger.setLevel(log_level)

    def predict(self, req: Any) -> Any:
        """Send `req` and return its response; raises `PredictException`."""
        body = body_of(req)
        deadline = time.monotonic() + self.timeout / 1000
        try:
            answer = self._attempt(body, deadline)
        except PredictException as failure:
            if not failure.transient:
                raise
            answer = retry(
                partial(self._attempt, body, deadline), failure, self.retry_policy, deadline
            )
        return req.parse_response(answer)

    def generate_singaure(self, request_data: bytes) -> dict[str, str]:
        """Return the headers that authorize `request_data` (spelled as in the vendor's client)."""
        return self._authorization(Body(request_data))

    def _attempt(self, body: Body, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(NO_ANSWER, f"no answer within {self.timeout:g} ms (see set_timeout)")
        status, headers, data = self.transport.send(
            "POST", self._url(), self._headers(body), body.data, left
        )
        if status != 200:
            raise failure_of(status, headers, data)
        return data

    def _url(self) -> str:
        check_endpoint_type(self.endpoint_type)
        return self.custom_url or predict_url(self.endpoint_name, self.service_name)

    def _headers(self, body: Body) -> dict[str, str]:
        """A new dict each time: in a shared one, threads would send each other's headers."""
        if not self.token:
            ours = {"Content-Type": self.content_type} if self.content_type else {}
        else:
            ours = self._authorization(body)
        if not self.headers:
            return ours
        names = {name.lower() for name in ours}
        extra = {name: value for name, value in self.headers.items() if name.lower() not in names}
        return {**ours, **extra}

    def _authorization(self, body: Body) -> dict[str, str]:
        content_type = self.content_type or next(
            (value for name, value in self.headers.items() if name.lower() == "content-type"),
            DEFAULT_CONTENT_TYPE,
        )
        if self.custom_url:
            return token_headers(self.token, content_type, http_date())
        return signed_headers(self.token, self.service_name, content_type, body.md5, http_date())
