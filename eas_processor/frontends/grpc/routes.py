"""Finds the method of a gRPC call by its path, and the version that the call means."""

from __future__ import annotations

from collections.abc import Mapping

from eas_processor.contracts.refusals import BadRequest, Refusal
from eas_processor.frontends.grpc.calls import CallMethod, Target
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method
from eas_processor.frontends.grpc.model_spec import (
    DEFAULT_SIGNATURE,
    ModelSpec,
    add_version,
    first_field,
    read_spec,
    write_spec,
)
from eas_processor.frontends.grpc.simple import UnknownMethod
from eas_processor.frontends.grpc.wire import length_field
from eas_processor.frontends.tfs_counters import TfsCounters
from eas_processor.frontends.tfs_models import AskToken, TfsModels
from eas_processor.frontends.token_check import token_refusal
from eas_processor.link.frames import (
    CLASSIFY_PROTO,
    MULTI_INFERENCE,
    REGRESS_PROTO,
    TENSOR_CONTENT,
    TENSOR_PROTO,
)
from eas_processor.serving.registry import Registry
from eas_processor.serving.tokens import Tokens

NAME = "grpc"
"""The name of this frontend in `ServiceSettings.frontends`."""

PREDICTION_SERVICE = b"/tensorflow.serving.PredictionService/"
_MODEL_SPEC_OF_ANSWER = 2
_REMEMBERED = 256
_REMEMBERED_SIZE = 1024
"""The largest remembered `model_spec`, in bytes. A usual one has less than a hundred."""


class _Known:
    """The version that a `model_spec` means, valid while its service has the same tokens."""

    __slots__ = ("target", "tokens")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tokens: Tokens = target.service.tokens


class GrpcServices:
    """
    The methods of an engine, by path.

    With `as_content`, answers have `tensor_content` rather than typed fields. `more` contains
    methods of other services.
    """

    def __init__(
        self,
        registry: Registry,
        counters: TfsCounters,
        *,
        as_content: bool = False,
        more: Mapping[bytes, Method] | None = None,
    ) -> None:
        self.models = TfsModels(registry, NAME)
        self._counters = counters
        tensors = TENSOR_CONTENT if as_content else TENSOR_PROTO
        by_spec, by_task = _BySpec(self), _ByTask(self)
        calls = {
            b"Predict": CallMethod(by_spec, "predict", tensors, _with_spec),
            b"Classify": CallMethod(by_spec, "classify", CLASSIFY_PROTO, _with_spec),
            b"Regress": CallMethod(by_spec, "regress", REGRESS_PROTO, _with_spec),
            b"MultiInference": CallMethod(
                by_task, "multi_inference", MULTI_INFERENCE, _with_versions
            ),
        }
        self._methods: dict[bytes, Method] = {
            PREDICTION_SERVICE + name: method for name, method in calls.items()
        }
        self._methods.update(more or {})

    def find(self, head: StreamHead) -> Method:
        """Return the method for streams with this head, which may be one that refuses."""
        return self._methods.get(head.path) or UnknownMethod(head.path)

    def add(self, methods: Mapping[bytes, Method]) -> None:
        """Add methods of other services."""
        self._methods.update(methods)

    def served(self) -> set[str]:
        """Return the full names of the services that have a method here."""
        return {path.split(b"/")[1].decode() for path in self._methods}

    def resolve(self, spec: ModelSpec, head: StreamHead) -> Target:
        """Return the version that `spec` names. Raises Refusal."""
        wanted = spec.wanted
        entry = self.models.entry(wanted, asker(head))
        number, service = self.models.version(entry, wanted)
        signature = spec.signature_name or DEFAULT_SIGNATURE
        tail = length_field(_MODEL_SPEC_OF_ANSWER, write_spec(entry.name, number, signature))
        return Target(service, self._counters.of(entry.name), number, tail)


class _BySpec:
    """Finds the version for a message with a `model_spec` in its field 1."""

    def __init__(self, services: GrpcServices) -> None:
        self._services = services
        self._known: dict[tuple[bytes, object], _Known] = {}

    def target(self, body: list[bytes], head: StreamHead) -> Target:
        content = self.spec_of(body)
        # The token is part of the head. Heads that differ only in the deadline have the same key.
        key = content, head.key
        known = self._known.get(key)
        if known is not None and known.tokens is known.target.service.tokens:
            return known.target
        if not content:
            raise BadRequest("Missing ModelSpec")
        target = self._services.resolve(read_spec(content), head)
        # A longer one has unknown fields, and would use memory while it is remembered.
        if len(content) <= _REMEMBERED_SIZE:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = _Known(target)
        return target

    def spec_of(self, body: list[bytes]) -> bytes:
        """Return the content of the message's `model_spec`. Raises BadRequest."""
        return first_field(body)


class _ByTask(_BySpec):
    """Finds the version for a `MultiInferenceRequest`, from its tasks."""

    def spec_of(self, body: list[bytes]) -> bytes:
        tasks = first_field(body)
        if not tasks:
            raise BadRequest("MultiInferenceRequest has no tasks.")
        # The tasks are concatenated here. All have the same model, so any of them serves.
        return first_field([tasks])


def asker(head: StreamHead) -> AskToken:
    """Return a function that checks the token of a call, from its `authorization` field."""

    def ask(tokens: Tokens, name: str) -> Refusal | None:
        return token_refusal(tokens, name, b"POST", head.path, head.headers)

    return ask


def _with_spec(payload: list[bytes], target: Target) -> list[bytes]:
    """Return an answer with its `model_spec`."""
    return [*payload, target.tail]


def _with_versions(payload: list[bytes], target: Target) -> list[bytes]:
    """Return an answer with the version added to each result."""
    return [add_version(b"".join(payload), target.number)]
