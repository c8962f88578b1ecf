"""`PredictRequest` and `PredictResponse` of `proto/predict.proto`."""

from typing import Any, Dict, List, Sequence, Tuple

import eas_wire as wire
from eas_processor.codecs.codec import Codec, Form, Target
from eas_processor.codecs.mistaken import hint_for_array_proto
from eas_wire import Request, Stack, Tensor


class ArrayProto(Codec):
    """The encoding of the EAS routes; its errors are `eas_wire.WireError`."""

    number = 0

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Return what `body` asks for; its arrays may view it."""
        try:
            return wire.decode_request(body), None
        except wire.WireError as error:
            hint = hint_for_array_proto(body)
            if not hint:
                raise
            raise type(error)(f"{error}; {hint}") from None

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Return a `PredictResponse`."""
        return wire.encode_response(outputs)

    def encode_shares(self, outputs: Dict[str, Tensor], count: int, form: Form) -> List[bytes]:
        """Return `count` responses, each with its equal share of the rows."""
        return wire.encode_responses(outputs, count)

    def stack(self, bodies: Sequence[Any], places: Sequence[int]) -> Tuple[List[Stack], List[int]]:
        """Read requests that differ in their floats alone together, as bytes."""
        return wire.stack_requests(bodies, places)
