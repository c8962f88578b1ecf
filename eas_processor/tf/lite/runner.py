"""Make plans for a TensorFlow Lite model."""

from typing import Any, Dict, List, Optional, Sequence

from eas_processor.tf.errors import BadRequest, ModelError, ModelRefusal, ProcessorError
from eas_processor.tf.lite.file import LiteFile
from eas_processor.tf.lite.interpreters import FAILURES, Interpreters
from eas_processor.tf.model.signatures import Signature, TensorSpec
from eas_processor.tf.rows.graph import Follower
from eas_processor.tf.rows.proof import RowProof
from eas_processor.tf.run.callables import PlanCallable
from eas_processor.tf.run.names import (
    asked_outputs,
    describe_inputs,
    describe_outputs,
    refuse_dtype,
    refuse_missing,
)
from eas_processor.tf.run.plans import Plan
from eas_processor.tf.run.run_errors import clean_for_clients
from eas_processor.tf.run.runner import Runner
from eas_processor.tf.runtime import tf
from eas_wire.text import quote

_SUFFIX = ":0"


class LiteRunner(Runner):
    """
    Runs the TensorFlow Lite model of `file`, with inputs of any shape that its ops accept.

    Each request runs alone, because nothing proves that outputs come by row. Raises ModelError if a
    signature has a tensor that is not in the file.
    """

    failures = FAILURES

    def __init__(self, file: LiteFile, interpreters: Interpreters) -> None:
        self._interpreters = interpreters
        self._proof = RowProof(Follower(tf.Graph()), [], [], "the model")
        self._feeds: Dict[str, int] = {}
        self._fetches: Dict[str, int] = {}
        self._by_tensor: Dict[str, TensorSpec] = {}
        for signature in file.signatures.values():
            for spec in signature.inputs.values():
                number = _number(interpreters.inputs, spec, signature, "input", file.path)
                self._feeds[spec.tensor_name] = number
            for spec in signature.outputs.values():
                number = _number(interpreters.outputs, spec, signature, "output", file.path)
                self._fetches[spec.tensor_name] = number
                name = spec.tensor_name
                self._by_tensor[name] = TensorSpec(name, name, spec.dtype, spec.shape)

    def resolve(
        self,
        signature: Optional[Signature],
        inputs: Sequence[str],
        output_filter: Sequence[str],
        strict_shapes: bool,
        checks_dtypes: bool,
        unsigned: bool,
    ) -> Plan:
        """Return the plan for requests with these names; see `Runner.resolve`."""
        assert signature is not None  # a file has at least one
        feeds = []
        for name in inputs:
            if name not in signature.inputs:
                raise BadRequest(f"unexpected input {quote(name)}: {describe_inputs(signature)}")
            feeds.append(signature.inputs[name])
        refuse_missing(signature, feeds)
        names = asked_outputs(output_filter, signature.outputs)
        fetches = [self._output(signature, name) for name in names]
        for spec in fetches:
            refuse_dtype(spec, signature.outputs, unsigned)
        lite_callable = _LiteCallable(
            self._interpreters,
            [self._feeds[spec.tensor_name] for spec in feeds],
            [self._fetches[spec.tensor_name] for spec in fetches],
        )
        return Plan(feeds, fetches, lite_callable, self._proof, False, checks_dtypes, alone=True)

    def translate(self, plan: Plan, error: Any) -> ProcessorError:
        """Convert an error of a run: the request's values or shapes are its cause."""
        return ModelRefusal(f"the model refused the request: {clean_for_clients(str(error))}")

    def _output(self, signature: Signature, name: str) -> TensorSpec:
        """Return an output by alias or by tensor name. Raises BadRequest."""
        found = signature.outputs.get(name) or self._by_tensor.get(name)
        if found is None:
            raise BadRequest(f"unknown output {quote(name)}: {describe_outputs(signature)}")
        return found


class _LiteCallable(PlanCallable):
    """The callable for one set of feeds and fetches, by tensor number."""

    __slots__ = ()

    def __init__(self, interpreters: Interpreters, feeds: List[int], fetches: List[int]) -> None:
        self.run = lambda *arrays: interpreters.run(feeds, fetches, arrays)


def _number(
    tensors: Dict[str, int], spec: TensorSpec, signature: Signature, kind: str, path: str
) -> int:
    """Return the number of a tensor, whose name in a signature may have the suffix `:0`."""
    name = spec.tensor_name
    if name not in tensors and name.endswith(_SUFFIX):
        name = name[: -len(_SUFFIX)]
    if name not in tensors:
        raise ModelError(
            f"cannot load the model at {path}: signature {quote(signature.name)} declares that "
            f"{kind} {quote(spec.name)} is the tensor {quote(spec.tensor_name)}, which is not an "
            f"{kind} of the file; export the model again"
        )
    return tensors[name]
