"""The interface of codecs, and the one by which they ask for the model's signatures."""

from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from eas_processor.codecs.errors import UnknownCodec
from eas_wire import Request, Stack, Tensor
from eas_wire.tensors import share

Form = Any
"""The facts of a request that decide the form of its answer. It is opaque and comparable."""


class Spec:
    """A declared input: name, dtype number, and shape with -1 for any size, None for any rank."""

    __slots__ = ()

    name: str
    dtype: int
    shape: Optional[Tuple[int, ...]]

    @property
    def dtype_name(self) -> str:
        """The name of the dtype, such as `DT_FLOAT`."""
        raise NotImplementedError


class Target:
    """
    The model of a request, as a codec sees it. Methods raise the model's own errors.

    `json_nan` decides how JSON answers show NaN and infinities: "null", "string", "error" for a
    refusal, or "" for the bare words NaN and Infinity.
    """

    json_nan = ""

    def input_names(self, signature_name: str) -> Optional[Sequence[str]]:
        """Return the input names of a signature, or None if the model has no signatures."""
        raise NotImplementedError

    def output_names(self, signature_name: str) -> Optional[Sequence[str]]:
        """Return the output names of a signature, or None if they are unknown."""
        return None

    def input_defaults(self, signature_name: str) -> Dict[str, Tensor]:
        """Return the default values of a signature's optional inputs, by name."""
        return {}

    def describe_inputs(self, signature_name: str) -> str:
        """Return a clause for messages that lists the inputs of a signature."""
        raise NotImplementedError

    def example_outputs(self, signature_name: str, method: str) -> Sequence[str]:
        """Return the output names of a signature for `method`, "classify" or "regress"."""
        raise NotImplementedError

    def example_tensors(self, signature_name: str, method: str) -> Tuple[str, Dict[str, str]]:
        """Return a signature's input tensor and its output tensors by name, for `method`."""
        raise UnknownCodec("this processor does not answer several signatures at once")

    def specs(
        self, signature_name: str, inputs: Iterable[str], output_filter: Iterable[str]
    ) -> Sequence[Spec]:
        """Return the declarations of the inputs that a request names, in any order."""
        raise NotImplementedError


class Codec:
    """
    Decodes and encodes the bodies of one encoding. One object serves all threads.

        number          the codec's number in the head of a frame (`link.frames`)
        strict_shapes   whether inputs must have the declared shapes; if not, the graph decides
        checks_dtypes   whether inputs must have the declared dtypes; if not, the graph decides
        has_unsigned    whether answers can hold DT_UINT32 and DT_UINT64
        inline_bytes    decoding a larger body takes so long that other requests must not wait
    """

    number: int
    strict_shapes = True
    checks_dtypes = True
    has_unsigned = False
    inline_bytes = 0xFFFFFFFF

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """
        Decode `body`, any buffer of bytes, into a request and the form of its answer.

        Raises an error with a `code`: CodecError, `eas_wire.WireError`, or an error of `target`.
        """
        raise NotImplementedError

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode the answer to one request. Raises as `decode` does."""
        raise NotImplementedError

    def encode_shares(self, outputs: Dict[str, Tensor], count: int, form: Form) -> List[bytes]:
        """
        Encode `count` answers, which share the rows of every output equally and in order.

        The first dimension of each output must be a multiple of `count`.
        """
        return [self.encode(share(outputs, count, each), form) for each in range(count)]

    def stack(self, bodies: Sequence[Any], places: Sequence[int]) -> Tuple[List[Stack], List[int]]:
        """
        Decode similar requests together, if that is faster than one by one.

        Only `bodies[place]` for each of `places` is looked at. Returns stacks of requests, whose
        form is None, and the places of all other bodies, which are not decoded.
        """
        return [], list(places)
