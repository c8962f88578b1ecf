"""The settings that both gRPC clients share, and how they become calls."""

from __future__ import annotations

import re
import time
from importlib import import_module
from typing import Any, Iterable, Mapping, NamedTuple, Sequence, Tuple, Union

from . import _checks, _setting_checks
from ._grpc_failures import UNAVAILABLE
from ._grpc_messages import ModelSpec, predict_request
from ._grpc_tensors import tensors
from ._retry import RetryPolicy
from ._signature import Signature
from .exception import NO_ANSWER, InvalidRequest, TimedOut

Options = Sequence[Tuple[str, Any]]
Metadata = Tuple[Tuple[str, Union[str, bytes]], ...]
Signatures = Mapping[str, Signature]

DEFAULT_SIGNATURE = "serving_default"

# By default, grpcio refuses messages above 4 MB and waits 1 s before it reconnects.
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
_PLAIN = ("grpc", "http")
_SECURE = ("grpcs", "https")
_NAME = re.compile(r"[0-9a-z_.-]+").fullmatch
_TEXT = re.compile(r"[ -~]*").fullmatch
_HIGHEST_VERSION = (1 << 63) - 1


class Call(NamedTuple):
    """The data that all attempts of one call share."""

    deadline: float
    metadata: Metadata

    def left(self) -> float:
        """Return the seconds until the deadline. Raises `TimedOut` if it has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(NO_ANSWER, "no time is left for another attempt (see timeout)")
        return left


class GrpcSettings:
    """The settings of a gRPC client. Raises `InvalidRequest`."""

    def __init__(
        self,
        endpoint: str,
        service_name: str,
        *,
        token: str = "",
        timeout: float = 5000,
        headers: Mapping[str, str] | None = None,
        retry_policy: RetryPolicy | None = None,
        credentials: Any = None,
        options: Options = (),
    ) -> None:
        self.rpc_error: type[Exception] = _load("grpc").RpcError
        self.target, self.is_secure = _target(_setting_checks.address("endpoint", endpoint))
        self.service_name = _setting_checks.service_name("service name", service_name)
        self.timeout = _checks.milliseconds("timeout", timeout)
        self.credentials = credentials
        self.options = list({**dict(_OPTIONS), **dict(options)}.items())
        policy = RetryPolicy(statuses={UNAVAILABLE}) if retry_policy is None else retry_policy
        self.retry_policy = _setting_checks.retry_policy("retry policy", policy)
        checked = _setting_checks.token("token", token)
        own: Metadata = (("authorization", checked),) if checked else ()
        self._metadata = own + _metadata(headers)

    def open(self, module: str) -> Any:
        """Return a new channel of `grpc` or `grpc.aio`, which connects when it is used."""
        grpc = _load(module)
        credentials = self.credentials
        if credentials is None and not self.is_secure:
            return grpc.insecure_channel(self.target, options=self.options)
        if credentials is None:
            credentials = _load("grpc").ssl_channel_credentials()
        return grpc.secure_channel(self.target, credentials, options=self.options)

    def model(self, version: int | None, version_label: str) -> ModelSpec:
        """Return the model and version of a call. Raises `InvalidRequest`."""
        label = _checks.text("version label", version_label)
        if version is None:
            return ModelSpec(self.service_name, None, label)
        if label:
            raise InvalidRequest("version and version_label: expected only one of them, got both")
        number = _checks.count("version", version, least=0)
        if number > _HIGHEST_VERSION:
            raise InvalidRequest(f"version: expected {_HIGHEST_VERSION} or less, got {number}")
        return ModelSpec(self.service_name, number)

    def call(self, timeout: float | None, headers: Mapping[str, str] | None) -> Call:
        """Return a call whose timeout begins now."""
        ms = self.timeout if timeout is None else _checks.milliseconds("timeout", timeout)
        metadata = self._metadata + _metadata(headers) if headers else self._metadata
        return Call(time.monotonic() + ms / 1000, metadata)


def body_of(
    model: ModelSpec,
    signatures: Signatures,
    signature_name: str,
    arrays: Mapping[str, Any],
    outputs: Iterable[str],
) -> bytes:
    """Return the request for these arrays. Raises `InvalidRequest`."""
    if not isinstance(arrays, Mapping):
        raise InvalidRequest(
            f"predict() takes a dict of arrays by input name, got {type(arrays).__name__}"
        )
    name = _checks.text("signature name", signature_name)
    signature = signatures.get(name or DEFAULT_SIGNATURE)
    wanted = _checks.names("outputs", outputs)
    return predict_request(model, name, tensors(signature, arrays), wanted)


def signature_of(signatures: Signatures, name: str) -> Signature:
    """Return the signature with this name, or the default one. Raises `InvalidRequest`."""
    wanted = _checks.text("signature name", name) or DEFAULT_SIGNATURE
    found = signatures.get(wanted)
    if found is None:
        names = ", ".join(map(repr, sorted(signatures))) or "none"
        raise InvalidRequest(f"no signature {wanted!r}; the model has {names}")
    return found


def _target(endpoint: str) -> tuple[str, bool]:
    """Return the target for grpcio, and whether it uses TLS."""
    scheme, found, rest = endpoint.partition("://")
    if not found or scheme not in (*_PLAIN, *_SECURE):
        target = endpoint
    elif "/" in rest.rstrip("/"):
        raise InvalidRequest(f"endpoint: expected HOST:PORT without a path, got {endpoint!r}")
    else:
        target = rest.rstrip("/")
    if not target:
        raise InvalidRequest(f"endpoint: expected an address such as 'host:8500', got {endpoint!r}")
    return target, bool(found) and scheme in _SECURE


def _metadata(headers: Mapping[str, str] | None) -> Metadata:
    return tuple([_entry(*each) for each in _checks.headers("headers", headers).items()])


def _entry(header: str, value: Any) -> tuple[str, str | bytes]:
    """Check a header. For an invalid one, grpcio would say that the service failed."""
    name = header.lower()
    if not _NAME(name):
        raise InvalidRequest(
            f"headers: expected names of ASCII letters, digits, '-', '_' and '.', got {header!r}"
        )
    if name.endswith("-bin"):
        if not isinstance(value, bytes):
            raise InvalidRequest(
                f"headers: expected bytes for {header!r}, got {type(value).__name__}"
            )
        return name, value
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if not _TEXT(text):
        raise InvalidRequest(f"headers: expected printable ASCII for {header!r}")
    return name, text


def _load(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != "grpc":
            raise
        raise ModuleNotFoundError(
            "a gRPC client needs the package grpcio: run `pip install grpcio`",
            name="grpc",
        ) from error
