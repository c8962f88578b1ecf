"""The client of one service."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Mapping, TypeVar
from urllib.parse import quote, urlencode

from ._answer import failure_of
from ._auth import DEFAULT_CONTENT_TYPE, http_date, signed_headers, token_headers
from ._endpoint import (
    ENDPOINT_TYPE_DEFAULT,
    ENDPOINT_TYPE_DIRECT,
    ENDPOINT_TYPE_GATEWAY,
    ENDPOINT_TYPE_VIPSERVER,
    Endpoint,
    endpoint_of,
)
from ._pool_manager import PoolManagerTransport
from ._retry import RetryPolicy, retry
from ._transport import PooledTransport, Transport
from ._vendor import warn_if_installed
from .exception import NO_ANSWER, InvalidRequest, PredictException, TimedOut
from .request import Body, Sendable, body_of

R = TypeVar("R")

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
        self.endpoint: Endpoint | None = None
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
        warn_if_installed()

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
        if not self.custom_url:
            self.endpoint = self._endpoint()

    def close(self) -> None:
        """Close the kept connections; a later `predict` opens new ones."""
        self.transport.close()

    destroy = close

    def set_endpoint(self, endpoint: str) -> None:
        """Set the address, such as `http://127.0.0.1:8080`."""
        self.endpoint_name = endpoint
        self.endpoint = None

    def set_endpoint_type(self, endpoint_type: str) -> None:
        """Set what kind of address the endpoint is: an `ENDPOINT_TYPE_` constant."""
        self.endpoint_type = endpoint_type
        self.endpoint = None

    def set_service_name(self, service_name: str) -> None:
        """Set the service to call."""
        self.service_name = service_name
        self.endpoint = None

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

    @property
    def connection_pool(self) -> Any:
        """The transport; a `urllib3.PoolManager` or `ProxyManager` can be set too."""
        return self.transport

    @connection_pool.setter
    def connection_pool(self, pool: Any) -> None:
        self.transport = pool if isinstance(pool, Transport) else PoolManagerTransport(pool)

    def set_timeout(self, timeout: float) -> None:
        """Set the time for one `predict` with all its attempts, in milliseconds."""
        self.timeout = _milliseconds(timeout)

    def set_connect_timeout(self, timeout: float) -> None:
        """Set the time for opening a connection, in milliseconds, within that of `set_timeout`."""
        self._pooled("set_connect_timeout").connect_timeout = _milliseconds(timeout) / 1000

    def set_read_timeout(self, timeout: float) -> None:
        """Set the time for silence while an answer is awaited or read, in milliseconds."""
        self._pooled("set_read_timeout").read_timeout = _milliseconds(timeout) / 1000

    def set_retry_policy(self, policy: RetryPolicy) -> None:
        """Set what is tried again, how often, and after which pauses."""
        self.retry_policy = policy

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

    def predict(
        self,
        req: Sendable[R],
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "",
        query: Mapping[str, Any] | str = "",
    ) -> R:
        """
        Send `req` and return its response; raises `PredictException`.

        For this call alone: `timeout` in milliseconds, more `headers`, a `path` after the service's
        name such as `/v2`, and a `query`.
        """
        body = body_of(req)
        ms = self.timeout if timeout is None else _milliseconds(timeout)
        deadline = time.monotonic() + ms / 1000
        suffix = _suffix(path, query) if path or query else ""
        extra = {**self.headers, **headers} if headers else self.headers
        attempt = partial(self._attempt, body, deadline, suffix, extra)
        try:
            answer = attempt()
        except PredictException as failure:
            if not self.retry_policy.covers(failure):
                raise
            answer = retry(attempt, failure, self.retry_policy, deadline)
        return req.parse_response(answer)

    def generate_singaure(self, request_data: bytes) -> dict[str, str]:
        """Return the headers that authorize `request_data` (spelled as in the vendor's client)."""
        headers = self._authorization(Body(request_data), "", self.headers)
        return {**headers, "Content-Length": str(len(request_data))}

    def _attempt(self, body: Body, deadline: float, suffix: str, extra: Mapping[str, str]) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(NO_ANSWER, "no time was left for an attempt (see set_timeout)")
        status, headers, data = self.transport.send(
            "POST", self._url(suffix), self._headers(body, suffix, extra), body.data, left
        )
        if status != 200:
            raise failure_of(status, headers, data)
        return data

    def _url(self, suffix: str) -> str:
        if not self.custom_url:
            endpoint = self.endpoint
            if endpoint is None:
                endpoint = self.endpoint = self._endpoint()
            return f"{endpoint.get()}{self._path(suffix)}"
        if not suffix:
            return self.custom_url
        if not suffix.startswith("?"):
            raise InvalidRequest("path: a client with a custom_url calls that, and no other path")
        return self.custom_url + (suffix.replace("?", "&", 1) if "?" in self.custom_url else suffix)

    def _path(self, suffix: str) -> str:
        return f"/api/predict/{self.service_name}{suffix}"

    def _endpoint(self) -> Endpoint:
        return endpoint_of(self.endpoint_type, self.endpoint_name, self.service_name)

    def _headers(self, body: Body, suffix: str, extra: Mapping[str, str]) -> dict[str, str]:
        """A new dict each time: in a shared one, threads would send each other's headers."""
        if not self.token:
            ours = {"Content-Type": self.content_type} if self.content_type else {}
        else:
            ours = self._authorization(body, suffix, extra)
        if not extra:
            return ours
        names = {name.lower() for name in ours}
        return {**ours, **{k: v for k, v in extra.items() if k.lower() not in names}}

    def _authorization(self, body: Body, suffix: str, extra: Mapping[str, str]) -> dict[str, str]:
        content_type = self.content_type
        if not content_type:
            given = (value for name, value in extra.items() if name.lower() == "content-type")
            content_type = next(given, DEFAULT_CONTENT_TYPE)
        if self.custom_url:
            return token_headers(self.token, content_type, http_date())
        path = self._path(suffix)
        return signed_headers(self.token, path, content_type, body.md5, http_date())

    def _pooled(self, setting: str) -> PooledTransport:
        if not isinstance(self.transport, PooledTransport):
            raise InvalidRequest(
                f"{setting}: {type(self.transport).__name__} has a timeout of its own"
            )
        return self.transport


def _milliseconds(timeout: float) -> float:
    if not timeout > 0:
        raise InvalidRequest(f"timeout: expected milliseconds, more than 0, got {timeout}")
    return timeout


def _suffix(path: str, query: Mapping[str, Any] | str) -> str:
    """Path and query as they are sent, and signed."""
    suffix = quote("/" + path.lstrip("/"), safe="/%:@!$&'()*+,;=-._~") if path else ""
    text = query.lstrip("?") if isinstance(query, str) else urlencode(query, doseq=True)
    return suffix + "?" + quote(text, safe="%:@!$&'()*+,;=-._~/?") if text else suffix
