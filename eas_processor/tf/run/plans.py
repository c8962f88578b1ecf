"""Plans: the feeds, fetches and checks of all requests with the same names."""

from typing import Any, Dict, List, Sequence

import numpy as np

from eas_processor.tf.dtypes import TO_TENSORFLOW, from_tensorflow
from eas_processor.tf.model.signatures import TensorSpec, check_tensor, shape_fits
from eas_processor.tf.rows.proof import RowProof
from eas_processor.tf.run.callables import PlanCallable
from eas_wire import Tensor

Arrays = List[Any]


class Plan:
    """
    The tensors to feed, their declared dtypes and shapes, and the tensors to fetch.

    `inputs` are the declarations of the feeds. `batchable` tells whether the declared shapes allow
    to join requests by rows, and `proof` whether the outputs do. Requests of a plan made with
    `alone` are never joined.
    """

    __slots__ = (
        "_checks_dtypes",
        "_strict_shapes",
        "batchable",
        "feeds",
        "fetches",
        "graph_callable",
        "inputs",
        "proof",
    )

    def __init__(
        self,
        feeds: Sequence[TensorSpec],
        fetches: Sequence[TensorSpec],
        graph_callable: PlanCallable,
        proof: RowProof,
        strict_shapes: bool,
        checks_dtypes: bool = True,
        alone: bool = False,
    ) -> None:
        self.inputs = feeds
        self.feeds = [(spec, TO_TENSORFLOW.get(spec.dtype)) for spec in feeds]
        self.fetches = fetches
        self.graph_callable = graph_callable
        self.proof = proof
        self.batchable = not alone and _rows_are_free(feeds) and _rows_are_kept(fetches)
        self._strict_shapes = strict_shapes
        self._checks_dtypes = checks_dtypes

    def fits(self, inputs: Dict[str, Tensor]) -> bool:
        """Return whether tensors, by input name, have the declared dtypes and shapes."""
        return all(
            inputs[spec.name].dtype == spec.dtype
            and shape_fits(spec.shape, inputs[spec.name].array.shape)
            for spec in self.inputs
        )

    def check_feeds(self, inputs: Dict[str, Tensor]) -> Arrays:
        """
        Check tensors, by input name, and convert them to feed order and TensorFlow's dtypes.

        Raises BadRequest for a tensor without the declared dtype or shape.
        """
        arrays = []
        for spec, convert in self.feeds:
            tensor = inputs[spec.name]
            array = tensor.array
            if self._checks_dtypes:
                check_tensor(spec, tensor.dtype, array.shape, self._strict_shapes)
                way = convert
            else:
                way = TO_TENSORFLOW.get(tensor.dtype)
            arrays.append(array if way is None else way(array))
        return arrays

    def order_feeds(self, arrays: Dict[str, "np.ndarray[Any, Any]"]) -> Arrays:
        """
        Convert already validated arrays to feed order and TensorFlow's dtypes.

        The arrays are `[rows, ...]`, by input name. `check_feeds` must have accepted a request with
        the same dtypes and trailing shapes.
        """
        return [
            arrays[spec.name] if convert is None else convert(arrays[spec.name])
            for spec, convert in self.feeds
        ]

    def name_outputs(self, values: Sequence[Any]) -> Dict[str, Tensor]:
        """Convert the fetched values to the tensors of a response, by name."""
        return {
            spec.name: Tensor(spec.dtype, from_tensorflow(spec.dtype, value))
            for spec, value in zip(self.fetches, values)
        }


def _rows_are_free(feeds: Sequence[TensorSpec]) -> bool:
    return any(spec.shape != () for spec in feeds) and all(
        spec.shape is None or spec.shape == () or spec.shape[0] == -1 for spec in feeds
    )


def _rows_are_kept(fetches: Sequence[TensorSpec]) -> bool:
    return all(spec.shape is None or (spec.shape != () and spec.shape[0] == -1) for spec in fetches)
