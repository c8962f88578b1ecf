"""The client of one service."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any, Mapping, TypeVar

from ._answer import failure_of
from ._endpoint import (
    ENDPOINT_TYPE_DEFAULT,
    ENDPOINT_TYPE_DIRECT,
    ENDPOINT_TYPE_GATEWAY,
    ENDPOINT_TYPE_VIPSERVER,
)
from ._pool_manager import PoolManagerTransport
from ._retry import RetryPolicy, retry
from ._settings import Call, ClientSettings
from ._transport import PooledTransport, Transport
from .exception import PredictException
from .request import Sendable

R = TypeVar("R")

__all__ = [
    "ENDPOINT_TYPE_DEFAULT",
    "ENDPOINT_TYPE_DIRECT",
    "ENDPOINT_TYPE_GATEWAY",
    "ENDPOINT_TYPE_VIPSERVER",
    "PredictClient",
]


class PredictClient(ClientSettings):
    """
    Calls one service, from any number of threads, over connections that are kept open.

        with PredictClient("http://127.0.0.1:8080", "mnist", token="...") as client:
            response = client.predict(request)

    `endpoint` is a host, with port and `http://` or `https://` where needed. `custom_url` is, where
    given, the whole address to call; the token is then sent as it is instead of signing with it.
    `timeout` is in milliseconds. Each setting has a setter, and counts from the next `predict` on.
    """

    _pool_type = PooledTransport

    def __init__(
        self,
        endpoint: str = "",
        service_name: str = "",
        custom_url: str = "",
        *,
        transport: Transport | None = None,
        retry_policy: RetryPolicy | None = None,
        token: str = "",
        endpoint_type: str = "",
        timeout: float = 5000,
        headers: Mapping[str, str] | None = None,
        content_type: str = "",
        max_connection_count: int = 100,
    ) -> None:
        super().__init__(
            endpoint,
            service_name,
            custom_url,
            retry_policy,
            token=token,
            endpoint_type=endpoint_type,
            timeout=timeout,
            headers=headers,
            content_type=content_type,
            max_connection_count=max_connection_count,
        )
        self.transport: Transport = transport or PooledTransport(self.max_connection_count)

    def __enter__(self) -> PredictClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections and end discovery; a later `predict` starts both again."""
        if self.endpoint is not None:
            self.endpoint.close()
        self.transport.close()

    destroy = close

    @property
    def connection_pool(self) -> Any:
        """The transport; a `urllib3.PoolManager` or `ProxyManager` can be set too."""
        return self.transport

    @connection_pool.setter
    def connection_pool(self, pool: Any) -> None:
        self.transport = pool if isinstance(pool, Transport) else PoolManagerTransport(pool)
        self._leave_endpoint()

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
        call = self._call(req, timeout, headers, path, query)
        attempt = partial(self._attempt, call)
        try:
            answer = attempt()
        except PredictException as failure:
            if not self.retry_policy.covers(failure):
                raise
            answer = retry(attempt, failure, self.retry_policy, call.deadline)
        return req.parse_response(answer)

    def _attempt(self, call: Call) -> bytes:
        endpoint = self._where()
        address = "" if endpoint is None else endpoint.get(call.tried, call.left())
        failure: BaseException | None = None
        try:
            left = call.left()
            url = self._url(address, call.suffix)
            headers = self._headers(call.body, call.suffix, call.extra)
            status, answered, data = self.transport.send("POST", url, headers, call.body.data, left)
            if status != 200:
                raise failure_of(status, answered, data)
            return data
        except BaseException as error:
            failure = error
            raise
        finally:
            call.end_attempt(endpoint, address, failure)

    def _discovery_transport(self) -> Transport:
        return self.transport
