"""The settings that both clients of a service share, and how they become a request."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Mapping
from urllib.parse import quote, urlencode

from . import _checks
from ._auth import DEFAULT_CONTENT_TYPE, http_date, signed_headers, token_headers
from ._endpoint import Endpoint, endpoint_of
from ._retry import RetryPolicy
from ._setting_checks import SETTINGS
from ._signature import Signature
from ._transport import Transport
from ._vendor import warn_if_installed
from .exception import NO_ANSWER, InvalidRequest, PredictException, TimedOut
from .request import Body, body_of

_LOGGER = "eas_prediction"


class Call:
    """The data that all attempts of one `predict` share."""

    __slots__ = ("body", "deadline", "extra", "suffix", "tried")

    def __init__(self, body: Body, deadline: float, suffix: str, extra: Mapping[str, str]) -> None:
        self.body = body
        self.deadline = deadline
        self.suffix = suffix
        self.extra = extra
        self.tried: list[str] = []

    def left(self) -> float:
        """Return the seconds until the deadline. Raises `TimedOut` if it has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(NO_ANSWER, "no time is left for another attempt (see set_timeout)")
        return left

    def end_attempt(
        self, endpoint: Endpoint | None, address: str, failure: BaseException | None
    ) -> None:
        """Report the result of an attempt to the endpoint."""
        if endpoint is None:
            return
        elsewhere = endpoint.done(address, failure)
        if failure is not None:
            self.tried.append(address)
            if isinstance(failure, PredictException):
                failure.elsewhere = elsewhere


class ClientSettings:
    """
    The settings of a client. A change takes effect at the next `predict`.

    Each setting is checked when it is set, also as an attribute. Raises `InvalidRequest`.
    """

    _pool_type: type[Any]
    _repeats: bool
    """Whether a request may be sent on two connections."""
    _stopped = False
    transport: Any

    def __init__(
        self,
        endpoint: str,
        service_name: str,
        custom_url: str,
        retry_policy: RetryPolicy | None,
        *,
        token: str = "",
        endpoint_type: str = "",
        timeout: float = 5000,
        headers: Mapping[str, str] | None = None,
        content_type: str = "",
        max_connection_count: int = 100,
    ) -> None:
        self.endpoint: Endpoint | None = None
        self._signature: Signature | None = None
        self.endpoint_name = endpoint
        self.endpoint_type = endpoint_type
        self.service_name = service_name
        self.custom_url = custom_url
        self.token = token
        self.content_type = content_type
        self.headers: dict[str, str] = headers  # type: ignore[assignment]
        self.timeout: float = timeout
        self.max_connection_count = max_connection_count
        self.retry_policy = RetryPolicy() if retry_policy is None else retry_policy
        self.logger = logging.getLogger(_LOGGER)
        warn_if_installed()

    def __setattr__(self, name: str, value: Any) -> None:
        # These are not properties, because `predict` reads them and a property costs 50 ns.
        setting = SETTINGS.get(name)
        if setting is not None:
            called, check = setting
            value = check(called, value)
            if name == "retry_policy":
                super().__setattr__("_repeats", value.attempts > 1 and value.lost_connections)
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings without open connections and running discovery."""
        return {**vars(self), "endpoint": None, "logger": None, "_stopped": False}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self.logger = logging.getLogger(_LOGGER)

    @abstractmethod
    def _discovery_transport(self) -> Transport:
        """Return the transport for requests to a discovery server."""

    def init(self) -> None:
        """Check the settings. Connections are opened when they are needed."""
        self._stopped = False
        if not self.custom_url:
            self.endpoint = self._endpoint()

    @property
    def stop(self) -> bool:
        """Whether discovery has stopped. Set it to True to stop it, as with the vendor's client."""
        return self._stopped

    @stop.setter
    def stop(self, stop: bool) -> None:
        self._stopped = bool(stop)
        if stop and self.endpoint is not None:
            self.endpoint.close()

    def set_endpoint(self, endpoint: str) -> None:
        """Set the address, such as `http://127.0.0.1:8080`."""
        self.endpoint_name = endpoint
        self._leave_endpoint()

    def set_endpoint_type(self, endpoint_type: str) -> None:
        """Set the kind of the endpoint: an `ENDPOINT_TYPE_` constant."""
        self.endpoint_type = endpoint_type
        self._leave_endpoint()

    def set_service_name(self, service_name: str) -> None:
        """Set the service to call."""
        self.service_name = service_name
        self._leave_endpoint()

    def set_token(self, token: str) -> None:
        """Set the token of the service, or '' for a public service."""
        self.token = token

    def set_content_type(self, content_type: str) -> None:
        """Set the `Content-Type` of requests."""
        self.content_type = content_type

    def add_extra_headers(self, headers: Mapping[str, str]) -> None:
        """Add headers to every request."""
        if headers is None:
            raise _checks.WrongType("headers: expected a dict, got None")
        self.headers.update(_checks.headers("headers", headers))

    def set_timeout(self, timeout: float) -> None:
        """Set the time limit of one `predict` with all its attempts, in milliseconds."""
        self.timeout = timeout

    def set_connect_timeout(self, timeout: float) -> None:
        """Set the time limit for opening a connection, in milliseconds."""
        ms = _checks.milliseconds("connect timeout", timeout)
        self._pooled("set_connect_timeout").connect_timeout = ms / 1000

    def set_read_timeout(self, timeout: float) -> None:
        """Set the longest silence before and within an answer, in milliseconds."""
        ms = _checks.milliseconds("read timeout", timeout)
        self._pooled("set_read_timeout").read_timeout = ms / 1000

    def set_retry_policy(self, policy: RetryPolicy) -> None:
        """Set which failures are retried, how often, and after which pauses."""
        self.retry_policy = policy

    def set_retry_count(self, count: int) -> None:
        """Set the number of attempts, including the first (0 counts as 1)."""
        self.retry_count = count

    @property
    def retry_count(self) -> int:
        """The number of attempts, including the first."""
        return self.retry_policy.attempts

    @retry_count.setter
    def retry_count(self, count: int) -> None:
        attempts = max(1, _checks.count("retry count", count, least=0))
        self.retry_policy = replace(self.retry_policy, attempts=attempts)

    def set_max_connection_count(self, count: int) -> None:
        """Set the most open connections. More concurrent requests wait for one."""
        self.max_connection_count = count
        if isinstance(self.transport, self._pool_type):
            self.transport.limit(self.max_connection_count)

    def set_log_level(self, log_level: int | str) -> None:
        """Set the level of the logger `eas_prediction`, which all clients share."""
        try:
            self.logger.setLevel(log_level)
        except (TypeError, ValueError):
            raise InvalidRequest(
                f"log level: expected a level such as 'DEBUG' or logging.DEBUG, got {log_level!r}"
            ) from None

    def generate_singaure(self, request_data: bytes) -> dict[str, str]:
        """Return the headers that authorize `request_data`. The name is the vendor's spelling."""
        headers = self._authorization(Body(request_data), "", self.headers)
        return {**headers, "Content-Length": str(len(request_data))}

    def _where(self) -> Endpoint | None:
        """Return the endpoint that gives the address, or None if there is a custom URL."""
        if self.custom_url:
            return None
        endpoint = self.endpoint
        if endpoint is None:
            endpoint = self.endpoint = self._endpoint()
        return endpoint

    def _leave_endpoint(self) -> None:
        self._signature = None
        endpoint, self.endpoint = self.endpoint, None
        if endpoint is not None:
            endpoint.close()

    def _call(
        self,
        request: Any,
        timeout: float | None,
        headers: Mapping[str, str] | None,
        path: str,
        query: Mapping[str, Any] | str,
    ) -> Call:
        body = body_of(request)
        ms = self.timeout if timeout is None else _checks.milliseconds("timeout", timeout)
        suffix = _suffix(path, query) if path or query else ""
        extra = self.headers
        if headers:
            extra = {**extra, **_checks.headers("headers", headers)}
        return Call(body, time.monotonic() + ms / 1000, suffix, extra)

    def _url(self, address: str, suffix: str) -> str:
        if not self.custom_url:
            return f"{address}{self._path(suffix)}"
        if not suffix:
            return self.custom_url
        if not suffix.startswith("?"):
            raise InvalidRequest("path: a client with a custom_url cannot call another path")
        return self.custom_url + (suffix.replace("?", "&", 1) if "?" in self.custom_url else suffix)

    def _path(self, suffix: str) -> str:
        return f"/api/predict/{self.service_name}{suffix}"

    def _endpoint(self) -> Endpoint:
        return endpoint_of(
            self.endpoint_type, self.endpoint_name, self.service_name, self._discovery_transport()
        )

    def _headers(self, body: Body, suffix: str, extra: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of a request in a new dict, so that threads do not share it."""
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

    @property
    def _send_once(self) -> Any:
        # A user's transport that is not a subclass of Transport may have only `send`.
        return getattr(self.transport, "send_once", self.transport.send)

    def _pooled(self, setting: str) -> Any:
        if not isinstance(self.transport, self._pool_type):
            raise InvalidRequest(
                f"{setting}: set it on the {type(self.transport).__name__} that was given instead"
            )
        return self.transport


def _suffix(path: str, query: Mapping[str, Any] | str) -> str:
    """Return path and query as they are sent and signed."""
    if not isinstance(path, str):
        raise InvalidRequest(f"path: expected a str such as '/v2', got {path!r}")
    suffix = quote("/" + path.lstrip("/"), safe="/%:@!$&'()*+,;=-._~") if path else ""
    try:
        text = query.lstrip("?") if isinstance(query, str) else urlencode(query, doseq=True)
    except (TypeError, ValueError):
        raise InvalidRequest(
            f"query: expected a dict or a str such as 'debug=1', got {query!r}"
        ) from None
    return suffix + "?" + quote(text, safe="%:@!$&'()*+,;=-._~/?") if text else suffix
