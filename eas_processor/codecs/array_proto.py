"""The codec of `PredictRequest` and `PredictResponse` in `proto/predict.proto`."""

from typing import Any, Dict, List, Sequence, Tuple

import eas_wire as wire
from eas_processor.codecs.codec import Codec, Form, Target
from eas_processor.codecs.encoding_hints import hint_for_array_proto
from eas_wire import Request, Stack, Tensor


class ArrayProto(Codec):
    """The protobuf encoding of the EAS routes. Its methods raise `eas_wire.WireError`."""

    number = 0

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Decode `body`; the arrays may be views of it."""
        try:
            return wire.decode_request(body), None
        except wire.WireError as error:
            hint = hint_for_array_proto(body)
            if not hint:
                raise
            raise type(error)(f"{error}; {hint}") from None

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode a `PredictResponse`."""
        return wire.encode_response(outputs)

    def encode_shares(self, outputs: Dict[str, Tensor], count: int, form: Form) -> List[bytes]:
        """Encode `count` responses, which share the rows equally."""
        return wire.encode_responses(outputs, count)

    def stack(self, bodies: Sequence[Any], places: Sequence[int]) -> Tuple[List[Stack], List[int]]:
        """Decode together the requests that differ in their floats alone."""
        return wire.stack_requests(bodies, places)
