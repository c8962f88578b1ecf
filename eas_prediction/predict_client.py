"""The client of one service."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any, Iterable, Mapping, TypeVar, overload

import numpy as np

from . import _checks
from ._answer import failure_of
from ._endpoint import (
    ENDPOINT_TYPE_DEFAULT,
    ENDPOINT_TYPE_DIRECT,
    ENDPOINT_TYPE_GATEWAY,
    ENDPOINT_TYPE_VIPSERVER,
    GatewayEndpoint,
    VipServerEndpoint,
)
from ._many import run_threads
from ._pool_manager import PoolManagerTransport
from ._progress import Progress, reporter
from ._retry import RetryPolicy, retry
from ._settings import Call, ClientSettings
from ._signature import Signature, join, read_signature, split
from ._transport import PooledTransport, Transport
from .cacheserver_endpoint import CacheServerEndpoint
from .exception import InvalidRequest, PredictException
from .request import Sendable
from .string_request import StringRequest

R = TypeVar("R")

__all__ = [
    "ENDPOINT_TYPE_DEFAULT",
    "ENDPOINT_TYPE_DIRECT",
    "ENDPOINT_TYPE_GATEWAY",
    "ENDPOINT_TYPE_VIPSERVER",
    "CacheServerEndpoint",
    "GatewayEndpoint",
    "PredictClient",
    "PredictException",
    "VipServerEndpoint",
]


class PredictClient(ClientSettings):
    """
    Calls one service from any number of threads, over connections that are kept open.

        with PredictClient("http://127.0.0.1:8080", "digits", token="...") as client:
            response = client.predict(request)

    `endpoint` is a host, with a port and `http://` or `https://` if needed. `custom_url` replaces
    it by the whole URL to call; the token is then sent itself rather than as a signature.
    `timeout` is in milliseconds. Each setting has a setter, which takes effect at the next
    `predict`.
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
        self.transport: Transport = (
            PooledTransport(self.max_connection_count) if transport is None else transport
        )

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
        """Close the kept connections and stop discovery. A later `predict` starts both again."""
        self.stop = True
        self.transport.close()

    destroy = close

    @property
    def connection_pool(self) -> Any:
        """The transport. A `urllib3.PoolManager` or `ProxyManager` may be assigned too."""
        return self.transport

    @connection_pool.setter
    def connection_pool(self, pool: Any) -> None:
        self.transport = pool if isinstance(pool, Transport) else PoolManagerTransport(pool)
        self._leave_endpoint()

    @overload
    def predict(
        self,
        req: Sendable[R],
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "",
        query: Mapping[str, Any] | str = "",
    ) -> R: ...

    @overload
    def predict(
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

    def predict(
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
            return self._predict_arrays(req, outputs, max_rows, options)
        if outputs or max_rows is not None:
            raise InvalidRequest("outputs and max_rows need a dict of arrays, not a request object")
        call = self._call(req, timeout, headers, path, query)
        attempt = partial(self._attempt, call)
        try:
            answer = attempt()
        except PredictException as failure:
            if not self.retry_policy.covers(failure):
                raise
            answer = retry(attempt, failure, self.retry_policy, call.deadline)
        return req.parse_response(answer)

    def predict_many(
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
        return run_threads(
            partial(self.predict, **options), waiting, concurrency, reporter(progress, len(waiting))
        )

    def signature(self) -> Signature:
        """Return the model's inputs and outputs, as the service gives them; see `predict`."""
        answer = self.predict(StringRequest(""))
        self._signature = read_signature(answer.response_data)
        return self._signature

    def _predict_arrays(
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
        signature = known or self.signature()
        try:
            tensors = signature.tensors(arrays)
        except InvalidRequest:
            if known is None:
                raise
            # The model may have changed since the signature was read.
            signature = self.signature()
            tensors = signature.tensors(arrays)
        divided = [tensors] if max_rows is None else split(signature, tensors, max_rows)
        parts = [signature.request(each, names) for each in divided]
        answers = self.predict_many(parts, **options)
        return join(signature, [each.to_dict() for each in answers])

    def _attempt(self, call: Call) -> bytes:
        endpoint = self._where()
        address = "" if endpoint is None else endpoint.get(call.tried, call.left())
        failure: BaseException | None = None
        try:
            left = call.left()
            url = self._url(address, call.suffix)
            headers = self._headers(call.body, call.suffix, call.extra)
            send = self.transport.send if self._repeats else self._send_once
            status, answered, data = send("POST", url, headers, call.body.data, left)
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
