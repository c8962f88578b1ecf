"""A loaded model: it checks requests, plans them, and runs them."""

import logging
import threading
from typing import Any, Dict, Iterable, Optional, Sequence, Tuple

from eas_processor.codecs.codec import Codec, Target
from eas_processor.tf.config import ModelConfig
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.model.examples import outputs_of_examples, refuse_unknown_method
from eas_processor.tf.model.signatures import (
    Signature,
    TensorSpec,
    choose_default,
    find_signature,
)
from eas_processor.tf.run.names import describe_inputs
from eas_processor.tf.run.plans import Arrays, Plan
from eas_processor.tf.run.request_limits import has_limits, refuse_unbatchable
from eas_processor.tf.run.runner import Runner
from eas_wire import Request, Tensor
from eas_wire.text import list_names

log = logging.getLogger(__name__)

# The most plans that are kept. Each may hold a compiled copy of the graph, and clients choose the
# names that need a plan.
MAX_PLANS = 64

_Key = Tuple[str, Tuple[str, ...], Tuple[str, ...], bool, bool, bool]


class Model(Target):
    """
    A model with its runner, and its signatures by name (none for a frozen graph).

    It is safe to use from several threads. Raises ModelConfigError for a setting that does not
    match the signatures.
    """

    def __init__(
        self, runner: Runner, signatures: Dict[str, Signature], config: ModelConfig
    ) -> None:
        self.config = config
        self.metadata: Dict[str, Any] = {}
        """The signatures as values for the JSON of TensorFlow Serving's `/metadata`."""
        self.load_facts: Dict[str, float] = {}
        """Measurements of the load, by name."""
        self.request_log: Optional[Any] = None
        """The `RequestLog` that samples requests and answers, or None."""
        self.json_nan = config.json_nan
        self.splits_above = config.max_batch_rows if config.enable_large_batch_splitting else 0
        """The most rows in one run, if larger requests are run in parts; else 0."""
        self.shapes_runs = bool(config.allowed_batch_sizes or self.splits_above)
        """Whether a single request may run with another number of rows than it has."""
        self._has_limits = has_limits(config)
        self.default_signature = choose_default(signatures, config.signature_name)
        self._runner = runner
        self._signatures = signatures
        self._plans: Dict[_Key, Plan] = {}
        self._lock = threading.Lock()
        self._check_statement()
        if config.infer_signature and not signatures:
            self.default_signature = runner.infer_signature()

    def _check_statement(self) -> None:
        stated = self.config.outputs_by_row
        given = {name for each in self._signatures.values() for name in each.outputs}
        unknown = set(stated).difference(given) if isinstance(stated, tuple) and given else ()
        if unknown:
            log.warning(
                "model_config.outputs_by_row names %s, which no signature returns; outputs: %s",
                list_names(sorted(unknown)),
                list_names(sorted(given)),
            )

    def prepare(self, request: Request, codec: Codec) -> Tuple[Plan, Arrays]:
        """
        Return the plan of a request, and the arrays to feed in its order.

        Raises BadRequest if the request does not match the model.
        """
        names = request.signature_name, request.inputs, request.output_filter
        plan = self.plan(*names, unsigned=codec.has_unsigned)
        if not codec.strict_shapes and not plan.fits(request.inputs):
            # Requests that fit keep the strict plan, so that they can join those of strict codecs.
            plan = self.plan(*names, False, codec.checks_dtypes, codec.has_unsigned)
        arrays = plan.check_feeds(request.inputs)
        if self._has_limits:
            refuse_unbatchable(self.config, plan, arrays)
        return plan, arrays

    def plan(
        self,
        signature_name: str,
        inputs: Iterable[str],
        output_filter: Iterable[str],
        strict_shapes: bool = True,
        checks_dtypes: bool = True,
        unsigned: bool = False,
    ) -> Plan:
        """Return the plan for requests with these names; see `Runner.resolve`."""
        asked = signature_name, tuple(inputs), tuple(output_filter)
        key = (*asked, strict_shapes, checks_dtypes, unsigned)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._make_plan(key)
        return plan

    def signature(self, name: str) -> Optional[Signature]:
        """
        Return the signature with this name, or the default one for "".

        Returns None if the model has no signatures. Raises BadRequest for an unknown name.
        """
        # A frozen graph accepts any signature name, because SDKs require their users to set one.
        if not name or not self._signatures:
            return self.default_signature
        return find_signature(self._signatures, name)

    def input_names(self, signature_name: str) -> Optional[Sequence[str]]:
        """Return the input names of a signature, or None if the model has no signatures."""
        signature = self.signature(signature_name)
        return None if signature is None else list(signature.inputs)

    def output_names(self, signature_name: str) -> Optional[Sequence[str]]:
        """Return the output names of a signature, or None if the model has no signatures."""
        signature = self.signature(signature_name)
        return list(signature.outputs) if signature and self._signatures else None

    def input_defaults(self, signature_name: str) -> Dict[str, Tensor]:
        """Return the default values of a signature's optional inputs, by name."""
        signature = self.signature(signature_name)
        return {} if signature is None else signature.defaults

    def describe_inputs(self, signature_name: str) -> str:
        """Return a clause for messages that lists the inputs of a signature."""
        return describe_inputs(self.signature(signature_name))

    def example_outputs(self, signature_name: str, method: str) -> Sequence[str]:
        """Return the output names of a signature that takes examples, for `method`."""
        signature = self.signature_or_none(signature_name)
        checks_method = self.config.enable_signature_method_name_check
        return outputs_of_examples(signature, signature_name, method, checks_method)

    def example_tensors(self, signature_name: str, method: str) -> Tuple[str, Dict[str, str]]:
        """Return such a signature's input tensor, and its output tensors by name."""
        names = self.example_outputs(signature_name, method)
        signature = self.signature(signature_name)
        assert signature is not None
        (fed,) = signature.inputs.values()
        return fed.tensor_name, {name: signature.outputs[name].tensor_name for name in names}

    def signature_or_none(self, name: str) -> Optional[Signature]:
        """Return the signature with this name, or None if there is none."""
        try:
            return self.signature(name)
        except BadRequest:
            return None

    def specs(
        self, signature_name: str, inputs: Iterable[str], output_filter: Iterable[str]
    ) -> Sequence[TensorSpec]:
        """Return the inputs that a request names. Raises BadRequest as `plan` does."""
        return self.plan(signature_name, inputs, output_filter).inputs

    def run(self, plan: Plan, arrays: Arrays) -> Sequence[Any]:
        """Run a plan, and return the values of its fetches. Raises ModelRefusal or RunError."""
        try:
            values = plan.graph_callable.run(*arrays)
        except self._runner.failures as error:
            raise self._runner.translate(plan, error) from error
        if plan.proof.watches:
            plan.proof.note(arrays, values)
        return values

    def _make_plan(self, key: _Key) -> Plan:
        signature = self.signature(key[0])
        if signature is not None and self.config.enable_signature_method_name_check:
            refuse_unknown_method(signature)
        with self._lock:
            plan = self._runner.resolve(signature, *key[1:])
            if len(self._plans) >= MAX_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = plan
        return plan
