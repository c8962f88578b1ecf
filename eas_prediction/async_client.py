"""The client of one service, for asyncio programs."""

from __future__ import annotations

import asyncio
from functools import partial
from types import TracebackType
from typing import Any, Mapping, TypeVar

from ._answer import failure_of
from ._async_transport import AsyncPooledTransport, AsyncTransport
from ._retry import RetryPolicy, retry_async
from ._settings import Call, ClientSettings
from ._transport import PooledTransport, Transport
from .exception import PredictException
from .request import Sendable

R = TypeVar("R")

__all__ = ["AsyncPredictClient"]


class AsyncPredictClient(ClientSettings):
    """
    `PredictClient` for asyncio: the same settings and errors; its calls are awaited.

        async with AsyncPredictClient("http://127.0.0.1:8080", "mnist", token="...") as client:
            responses = await asyncio.gather(*map(client.predict, requests))

    Any number of tasks of one loop can call it at once.
    """

    _pool_type = AsyncPooledTransport

    def __init__(
        self,
        endpoint: str = "",
        service_name: str = "",
        custom_url: str = "",
        *,
        transport: AsyncTransport | None = None,
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
        self.transport: AsyncTransport = transport or AsyncPooledTransport(max_connection_count)

    async def __aenter__(self) -> AsyncPredictClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the kept connections and end discovery; a later `predict` starts both again."""
        if self.endpoint is not None:
            self.endpoint.close()
        self.transport.close()

    destroy = close

    async def predict(
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
            answer = await attempt()
        except PredictException as failure:
            if not self.retry_policy.covers(failure):
                raise
            answer = await retry_async(attempt, failure, self.retry_policy, call.deadline)
        return req.parse_response(answer)

    async def _attempt(self, call: Call) -> bytes:
        endpoint = self._where()
        if endpoint is not None and not endpoint.known:
            # The list comes from a thread, for which the loop must not wait.
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, endpoint.wait, call.left())
        address = "" if endpoint is None else endpoint.get(call.tried, call.left())
        failure: BaseException | None = None
        try:
            left = call.left()
            url = self._url(address, call.suffix)
            headers = self._headers(call.body, call.suffix, call.extra)
            status, answered, data = await self.transport.send(
                "POST", url, headers, call.body.data, left
            )
            if status != 200:
                raise failure_of(status, answered, data)
            return data
        except BaseException as error:
            failure = error
            raise
        finally:
            call.end_attempt(endpoint, address, failure)

    def _discovery_transport(self) -> Transport:
        return _Asking(self.transport)


class _Asking(PooledTransport):
    """The blocking transport of the discovery thread; an instance that is gone closes for all."""

    def __init__(self, others: AsyncTransport) -> None:
        super().__init__(1)
        self._others = others
        if isinstance(others, AsyncPooledTransport):
            self.ca_certs, self.ssl_context = others.ca_certs, others.ssl_context

    def forget(self, address: str) -> None:
        self._others.forget(address)
