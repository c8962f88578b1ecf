"""Requests to, and responses from, TensorFlow services."""

from __future__ import annotations

from typing import Any, Iterable

import numpy as np

import eas_wire as wire

from . import _checks, _feed
from .exception import NO_ANSWER, BadResponse, InvalidRequest, UnknownOutput
from .request import Request, Response


def _messages() -> Any:
    # Importing protobuf takes 20 ms, and most scripts never use a message.
    from . import tf_request_pb2

    return tf_request_pb2


def __getattr__(name: str) -> Any:
    if name == "tf_pb":  # what the vendor's module calls it
        return _messages()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class TFRequest(Request):
    """
    Named input tensors for one signature of a model, and the names of the outputs to return.

    A request can be sent any number of times. Without a signature name, the model's default
    signature runs. Without `add_fetch`, all outputs are returned, except that a frozen graph needs
    the names of its outputs.
    """

    DT_FLOAT = wire.DT_FLOAT
    DT_DOUBLE = wire.DT_DOUBLE
    DT_INT8 = wire.DT_INT8
    DT_INT16 = wire.DT_INT16
    DT_INT32 = wire.DT_INT32
    DT_INT64 = wire.DT_INT64
    DT_UINT8 = wire.DT_UINT8
    DT_UINT16 = wire.DT_UINT16
    DT_QINT8 = wire.DT_QINT8
    DT_QINT16 = wire.DT_QINT16
    DT_QINT32 = wire.DT_QINT32
    DT_QUINT8 = wire.DT_QUINT8
    DT_QUINT16 = wire.DT_QUINT16
    DT_STRING = wire.DT_STRING
    DT_BOOL = wire.DT_BOOL
    DT_HALF = wire.DT_HALF
    DT_BFLOAT16 = wire.DT_BFLOAT16
    DT_COMPLEX64 = wire.DT_COMPLEX64
    DT_COMPLEX128 = wire.DT_COMPLEX128
    TF_BOOL = wire.DT_BOOL
    """The name that the PAI documentation uses for `DT_BOOL`."""

    _why_not_empty = (
        "the request is empty: set an input with add_feed(name, shape, dtype, values) "
        "(PredictClient.signature() returns the model's inputs)"
    )

    def __init__(self, signature_name: str | None = None) -> None:
        self._signature_name = _checks.text("signature name", signature_name)
        self._inputs: dict[str, wire.Tensor] = {}
        self._fetches: list[str] = []
        self._encoded: bytes | None = None
        # Once the caller has the message, it may change at any time. So it becomes the request.
        self._message: Any = None

    def __str__(self) -> str:
        return str(_messages().PredictRequest.FromString(self.to_string()))

    @property
    def signature_name(self) -> str:
        """The name of the signature to run; empty for the model's default."""
        message = self._message
        return self._signature_name if message is None else str(message.signature_name)

    @signature_name.setter
    def signature_name(self, name: str | None) -> None:
        name = _checks.text("signature name", name)
        if self._message is not None:
            self._message.signature_name = name
        self._signature_name = name
        self._encoded = None

    def set_signature_name(
        self, signature_name: str | None = None, *, singature_name: str | None = None
    ) -> None:
        """Set the signature to run. The vendor's client spells the keyword `singature_name`."""
        self.signature_name = signature_name if singature_name is None else singature_name

    def add_feed(
        self, input_name: str, shape: Iterable[int], content_type: int, content: Any
    ) -> None:
        """
        Set the input `input_name`. A second call with the same name replaces the first.

        `content` contains the values in row-major order, flat or nested: a list, a numpy array or
        a scalar. A numpy array of the right type is copied only when the request is first sent; if
        its values change, feed it again.

        Raises `InvalidRequest` if values are not of `content_type` or do not fill `shape`.
        """
        tensor = _feed.tensor(input_name, shape, content_type, content)
        if self._message is None:
            self._inputs[input_name] = tensor
            self._encoded = None
        else:
            # If the message has the name already, some versions of protobuf merge the two values.
            self._message.inputs.pop(input_name, None)
            one = wire.Request("", {input_name: tensor}, [])
            self._message.MergeFromString(wire.encode_request(one))

    def add_fetch(self, output_name: str) -> None:
        """Add `output_name` to the outputs to return."""
        output_name = _checks.name("output name", output_name)
        fetches = self._fetches if self._message is None else self._message.output_filter
        if output_name not in fetches:
            fetches.append(output_name)
        self._encoded = None

    @property
    def request_data(self) -> Any:
        """The request as a `PredictRequest` message. Changes of the message are sent."""
        if self._message is None:
            self._message = _messages().PredictRequest.FromString(self.to_string())
            self._inputs.clear()
        return self._message

    def to_string(self) -> bytes:
        """Return the request as bytes."""
        message = self._message
        if message is not None:
            if "" in message.inputs:
                raise InvalidRequest(_feed.EMPTY_NAME)
            return bytes(message.SerializeToString())
        if self._encoded is None:
            whole = wire.Request(self._signature_name, self._inputs, self._fetches)
            try:
                self._encoded = wire.encode_request(whole)
            except wire.WireError as error:
                raise InvalidRequest(str(error)) from error
        return self._encoded

    def parse_response(self, response_data: bytes) -> TFResponse:
        """Return the answer as a `TFResponse`."""
        return TFResponse(response_data)


class TFResponse(Response):
    """Named output tensors. The first access decodes them, and may raise `BadResponse`."""

    def __init__(self, response_data: bytes | None = None) -> None:
        self._data = b"" if response_data is None else response_data
        self._outputs: dict[str, wire.Tensor] | None = None
        self._message: Any = None

    def __str__(self) -> str:
        return str(self.response)

    def to_string(self) -> str:
        """Return the outputs as text."""
        return str(self)

    @property
    def response(self) -> Any:
        """The answer as a `PredictResponse` message."""
        if self._message is None:
            messages = _messages()
            try:
                self._message = messages.PredictResponse.FromString(self._data)
            except messages.DecodeError as error:
                raise BadResponse(
                    NO_ANSWER, f"the answer is not a PredictResponse: {error}"
                ) from error
        return self._message

    def get_tensor_shape(self, output_name: str) -> list[int]:
        """Return the shape of an output."""
        return list(self._output(output_name).array.shape)

    def get_values(self, output_name: str) -> list[Any]:
        """Return the values of an output, flat in row-major order, as Python numbers or bytes."""
        values: list[Any] = self._output(output_name).array.ravel().tolist()
        return values

    def numpy(self, output_name: str) -> np.ndarray[Any, Any]:
        """Return an output as an array. It may be read-only; copy it to change it."""
        return self._output(output_name).array

    def to_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all outputs as arrays by name."""
        return {name: tensor.array for name, tensor in self._decoded().items()}

    def _output(self, name: str) -> wire.Tensor:
        outputs = self._decoded()
        try:
            return outputs[name]
        except KeyError:
            names = ", ".join(map(repr, sorted(outputs))) or "none"
            raise UnknownOutput(f"no output {name!r} in the response; it has {names}") from None

    def _decoded(self) -> dict[str, wire.Tensor]:
        if self._outputs is None:
            try:
                self._outputs = wire.decode_response(self._data)
            except wire.WireError as error:
                raise BadResponse(NO_ANSWER, str(error)) from error
        return self._outputs
