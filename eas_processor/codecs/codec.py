"""What a codec is, and what it may ask of the model that a request is for."""

from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from eas_processor.codecs.errors import UnknownCodec
from eas_wire import Request, Stack, Tensor
from eas_wire.tensors import share

Form = Any
"""What an answer has to know of its request. Answers of equal forms are alike."""


class Spec:
    """One input as the model declares it; `shape` has -1 for any size, and is None for any rank."""

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
    The model that a request is for. What it refuses it raises as an error of its own.

    `json_nan` is what stands for NaN and infinities in an answer in JSON: "null", "string", or
    "error" for a refusal; "" for the bare words.
    """

    json_nan = ""

    def input_names(self, signature_name: str) -> Optional[Sequence[str]]:
        """Return the inputs of a signature; None where the model has no signatures."""
        raise NotImplementedError

    def output_names(self, signature_name: str) -> Optional[Sequence[str]]:
        """Return the outputs of a signature; None where they are not known by name."""
        return None

    def input_defaults(self, signature_name: str) -> Dict[str, Tensor]:
        """Return the values of the inputs of a signature that a request may leave out."""
        return {}

    def describe_inputs(self, signature_name: str) -> str:
        """Return what a signature takes, for the end of a sentence."""
        raise NotImplementedError

    def example_outputs(self, signature_name: str, method: str) -> Sequence[str]:
        """Return the outputs of a signature that classifies or regresses, as `method` says."""
        raise NotImplementedError

    def example_tensors(self, signature_name: str, method: str) -> Tuple[str, Dict[str, str]]:
        """Return the names of the tensors of such a signature: its input, and outputs by name."""
        raise UnknownCodec("this processor does not answer several signatures at once")

    def specs(
        self, signature_name: str, inputs: Iterable[str], output_filter: Iterable[str]
    ) -> Sequence[Spec]:
        """Return each of the inputs that a request names, in any order."""
        raise NotImplementedError


class Codec:
    """
    Bytes of one encoding to named arrays, and back. One object serves all threads.

    `number` is that of a frame's head (`link.frames`). With `strict_shapes`, the shapes of inputs
    have to be those that the model declares; without, the model itself is asked, and so it is for
    dtypes without `checks_dtypes`. With `has_unsigned` answers can have DT_UINT32 and DT_UINT64.
    Bodies of more than `inline_bytes` take so long to decode that no other request should wait.
    """

    number: int
    strict_shapes = True
    checks_dtypes = True
    has_unsigned = False
    inline_bytes = 0xFFFFFFFF

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Return what `body`, any buffer of bytes, asks for, and the form of its answer."""
        raise NotImplementedError

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Return the answer to one request."""
        raise NotImplementedError

    def encode_shares(self, outputs: Dict[str, Tensor], count: int, form: Form) -> List[bytes]:
        """
        Return `count` answers, each with its equal share of the rows of every output, in order.

        The first dimension of each output is a multiple of `count`.
        """
        return [self.encode(share(outputs, count, each), form) for each in range(count)]

    def stack(self, bodies: Sequence[Any], places: Sequence[int]) -> Tuple[List[Stack], List[int]]:
        """
        Read those of the bodies at `places` together that are alike, where that is quicker.

        Returns them, with forms of None, and the places of the others.
        """
        return [], list(places)
