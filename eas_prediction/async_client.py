"""The client of one service, for asyncio programs."""

from __future__ import annotations

import asyncio
from functools import partial
from types import TracebackType
from typing import Any, Iterable, Mapping, TypeVar, overload

import numpy as np

from . import _checks
from ._answer import failure_of
from ._async_transport import AsyncPooledTransport, AsyncTransport
from ._many import run_tasks
from ._progress import Progress, reporter
from ._retry import RetryPolicy, retry_async
from ._settings import Call, ClientSettings
from ._signature import Signature, join, read_signature, split
from ._transport import PooledTransport, Transport
from .exception import InvalidRequest, PredictException
from .request import Sendable
from .string_request import StringRequest

R = TypeVar("R")

__all__ = ["AsyncPredictClient"]


class AsyncPredictClient(ClientSettings):
    """
    `PredictClient` for asyncio, with the same settings and errors; its calls are awaited.

        async with AsyncPredictClient("http://127.0.0.1:8080", "digits", token="...") as client:
            responses = await asyncio.gather(*map(client.predict, requests))

    Any number of tasks of one event loop may call it at the same time.
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
        self.transport: AsyncTransport = (
            AsyncPooledTransport(self.max_connection_count) if transport is None else transport
        )

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
        """Close the kept connections and stop discovery. A later `predict` starts both again."""
        self.stop = True
        self.transport.close()

    destroy = close

    @overload
    async def predict(
        self,
        req: Sendable[R],
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "",
        query: Mapping[str, Any] | str = "",
    ) -> R: ...

    @overload
    async def predict(
        self,
        req: Mapping[str, Any],
        *,
        outputs: Iterable[str] = (),
        max_rows: int | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "",
        query: Mapping[str, Any] | str = "",
    ) -> dict[str, np.ndarray[Any, Any]]: ...

    async def predict(
        self,
        req: Any,
        *,
        outputs: Iterable[str] = (),
        max_rows: int | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "",
        query: Mapping[str, Any] | str = "",
    ) -> Any:
        """
        Send `req` and return its response. Raises `PredictException`.

        A dict of arrays by input name is checked against the model's signature before it is sent,
        and the response is a dict of arrays by output name. For such a dict, `outputs` selects the
        outputs to return, and `max_rows` splits a larger batch into several requests and joins
        their answers.

        The other parameters apply only to this call: `timeout` in milliseconds for each request,
        additional `headers`, a `path` after the service's name such as `/v2`, and a `query`.
        """
        if isinstance(req, Mapping):
            options = {"timeout": timeout, "headers": headers, "path": path, "query": query}
            return await self._predict_arrays(req, outputs, max_rows, options)
        if outputs or max_rows is not None:
            raise InvalidRequest("outputs and max_rows need a dict of arrays, not a request object")
        call = self._call(req, timeout, headers, path, query)
        attempt = partial(self._attempt, call)
        try:
            answer = await attempt()
        except PredictException as failure:
            if not self.retry_policy.covers(failure):
                raise
            answer = await retry_async(attempt, failure, self.retry_policy, call.deadline)
        return req.parse_response(answer)

    async def predict_many(
        self,
        requests: Iterable[Any],
        *,
        concurrency: int = 8,
        progress: Progress = False,
        **options: Any,
    ) -> list[Any]:
        """
        Send many requests, at most `concurrency` at a time, and return their responses in order.

        `progress` is True for a progress bar on a terminal, or a function that is called with the
        number of finished requests and the number of all. `options` are keyword arguments of
        `predict`. The first failure is raised, and requests that had not begun by then are not
        sent.
        """
        waiting = _checks.requests(requests)
        return await run_tasks(
            partial(self.predict, **options), waiting, concurrency, reporter(progress, len(waiting))
        )

    async def signature(self) -> Signature:
        """Return the model's inputs and outputs, as the service gives them; see `predict`."""
        answer = await self.predict(StringRequest(""))
        self._signature = read_signature(answer.response_data)
        return self._signature

    async def _predict_arrays(
        self,
        arrays: Mapping[str, Any],
        outputs: Iterable[str],
        max_rows: int | None,
        options: dict[str, Any],
    ) -> dict[str, np.ndarray[Any, Any]]:
        names = _checks.names("outputs", outputs)
        if max_rows is not None:
            max_rows = _checks.count("max_rows", max_rows)
        known = self._signature
        signature = known or await self.signature()
        try:
            tensors = signature.tensors(arrays)
        except InvalidRequest:
            if known is None:
                raise
            # The model may have changed since the signature was read.
            signature = await self.signature()
            tensors = signature.tensors(arrays)
        divided = [tensors] if max_rows is None else split(signature, tensors, max_rows)
        parts = [signature.request(each, names) for each in divided]
        answers = await self.predict_many(parts, **options)
        return join(signature, [each.to_dict() for each in answers])

    async def _attempt(self, call: Call) -> bytes:
        endpoint = self._where()
        if endpoint is not None and not endpoint.known:
            # A thread fetches the list. Waiting for it here would block the event loop.
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, endpoint.wait, call.left())
        address = "" if endpoint is None else endpoint.get(call.tried, call.left())
        failure: BaseException | None = None
        try:
            left = call.left()
            url = self._url(address, call.suffix)
            headers = self._headers(call.body, call.suffix, call.extra)
            send = self.transport.send if self._repeats else self._send_once
            status, answered, data = await send("POST", url, headers, call.body.data, left)
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
    """The blocking transport of the discovery thread. `forget` closes the client's connections."""

    def __init__(self, others: AsyncTransport) -> None:
        super().__init__(1)
        self._others = others
        if isinstance(others, AsyncPooledTransport):
            self.ca_certs, self.ssl_context = others.ca_certs, others.ssl_context

    def forget(self, address: str) -> None:
        self._others.forget(address)
