"""The gRPC client of one service."""

from __future__ import annotations

import threading
from functools import partial
from types import TracebackType
from typing import Any, Iterable, Mapping

import numpy as np

from . import _checks
from ._grpc_failures import failure_of, is_without_metadata, may_be_outdated
from ._grpc_messages import (
    GET_MODEL_METADATA,
    PREDICT,
    ModelSpec,
    metadata_request,
    read_predict_response,
    read_signatures,
)
from ._grpc_settings import Call, GrpcSettings, Options, Signatures, body_of, signature_of
from ._many import run_threads
from ._progress import Progress, reporter
from ._retry import RetryPolicy, retry
from ._signature import Signature
from .exception import InvalidRequest, PredictException

__all__ = ["GrpcClient"]


class GrpcClient:
    """
    Calls one model through TensorFlow Serving's gRPC, from any number of threads.

        with GrpcClient("127.0.0.1:8500", "half_plus_two") as client:
            outputs = client.predict({"x": [1.0, 2.0, 5.0]})

    `endpoint` is host and port. `https://` before it means TLS, with the certificates of grpcio or
    with `credentials`, a `grpc.ChannelCredentials`. `token` and `headers` are sent as metadata.
    `timeout` is in milliseconds, for one call with all its attempts. Without a `retry_policy`, only
    UNAVAILABLE is retried. `options` are channel arguments of grpcio. Messages may have any size.
    Raises ModuleNotFoundError if grpcio is not installed.
    """

    def __init__(
        self,
        endpoint: str = "",
        service_name: str = "",
        *,
        token: str = "",
        timeout: float = 5000,
        headers: Mapping[str, str] | None = None,
        retry_policy: RetryPolicy | None = None,
        credentials: Any = None,
        options: Options = (),
    ) -> None:
        self._settings = GrpcSettings(
            endpoint,
            service_name,
            token=token,
            timeout=timeout,
            headers=headers,
            retry_policy=retry_policy,
            credentials=credentials,
            options=options,
        )
        self._channel: Any = None
        self._methods: dict[str, Any] = {}
        self._known: dict[ModelSpec, Signatures] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> GrpcClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end unfinished calls. A later call opens a new connection."""
        with self._lock:
            channel, self._channel, self._methods = self._channel, None, {}
        if channel is not None:
            channel.close()

    def predict(
        self,
        req: Mapping[str, Any],
        *,
        outputs: Iterable[str] = (),
        signature_name: str = "",
        version: int | None = None,
        version_label: str = "",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """
        Send arrays by input name and return the outputs by name. Raises `PredictException`.

        Values are converted to the dtypes of the model's signature, which is read once. Names and
        shapes are not checked: the service refuses what does not fit. `outputs` selects the outputs
        to return; without it all are returned. `version` or `version_label` selects a version;
        without them the newest one answers.

        `timeout` (in milliseconds) and additional `headers` apply only to this call.
        """
        model = self._settings.model(version, version_label)
        call = self._settings.call(timeout, headers)
        make_body = partial(body_of, signature_name=signature_name, arrays=req, outputs=outputs)
        known = self._known.get(model)
        signatures = self._learn(model, call) if known is None else known
        try:
            body = make_body(model, signatures)
        except InvalidRequest:
            if known is None:
                raise
            # The model may have changed since the signature was read.
            body = make_body(model, self._learn(model, call))
        try:
            answer = self._ask(PREDICT, body, call)
        except PredictException as failure:
            if may_be_outdated(failure):
                self._known.pop(model, None)
            raise
        return read_predict_response(answer)

    def predict_many(
        self,
        requests: Iterable[Mapping[str, Any]],
        *,
        concurrency: int = 8,
        progress: Progress = False,
        **options: Any,
    ) -> list[dict[str, np.ndarray[Any, Any]]]:
        """
        Send many requests, at most `concurrency` at a time, and return their outputs in order.

        `progress` is True for a progress bar on a terminal, or a function that is called with the
        number of finished requests and the number of all. `options` are keyword arguments of
        `predict`. The first failure is raised, and requests that had not begun by then are not
        sent.
        """
        waiting = _checks.requests(requests)
        return run_threads(
            partial(self.predict, **options), waiting, concurrency, reporter(progress, len(waiting))
        )

    def signature(
        self, signature_name: str = "", *, version: int | None = None, version_label: str = ""
    ) -> Signature:
        """Return a model's inputs and outputs. Raises `PredictException`."""
        model = self._settings.model(version, version_label)
        answer = self._ask(
            GET_MODEL_METADATA, metadata_request(model), self._settings.call(None, None)
        )
        self._known[model] = read_signatures(answer)
        return signature_of(self._known[model], signature_name)

    def _learn(self, model: ModelSpec, call: Call) -> Signatures:
        """Return and remember the signatures of a model, or none if the service has no metadata."""
        try:
            answer = self._ask(GET_MODEL_METADATA, metadata_request(model), call)
        except PredictException as failure:
            if not is_without_metadata(failure):
                raise
            found: Signatures = {}
        else:
            found = read_signatures(answer)
        self._known[model] = found
        return found

    def _ask(self, method: str, body: bytes, call: Call) -> bytes:
        attempt = partial(self._attempt, method, body, call)
        policy = self._settings.retry_policy
        try:
            return attempt()
        except PredictException as failure:
            if not policy.covers(failure):
                raise
            return retry(attempt, failure, policy, call.deadline)

    def _attempt(self, method: str, body: bytes, call: Call) -> bytes:
        send = self._methods.get(method) or self._open(method)
        try:
            answer: bytes = send(body, timeout=call.left(), metadata=call.metadata)
        except self._settings.rpc_error as error:
            raise failure_of(error) from error
        return answer

    def _open(self, method: str) -> Any:
        with self._lock:
            if self._channel is None:
                self._channel = self._settings.open("grpc")
            send = self._methods[method] = self._channel.unary_unary(method)
        return send
