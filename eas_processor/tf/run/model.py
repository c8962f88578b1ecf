"""A loaded model: plans and checks requests, and runs them."""

import logging
import threading
from typing import Any, Dict, Iterable, Optional, Sequence, Tuple
from weakref import WeakValueDictionary

from eas_processor.codecs.codec import Codec, Target
from eas_processor.tf.config import ModelConfig
from eas_processor.tf.errors import BadRequest, ProcessorError, RunError
from eas_processor.tf.model.examples import outputs_of_examples
from eas_processor.tf.model.signatures import (
    Signature,
    TensorSpec,
    choose_default,
    find_signature,
)
from eas_processor.tf.model.unable import Unable
from eas_processor.tf.rows.graph import Follower
from eas_processor.tf.rows.proof import Fetch, RowProof
from eas_processor.tf.run.callables import GraphCallable
from eas_processor.tf.run.fault import Faults
from eas_processor.tf.run.inferred import infer_signature
from eas_processor.tf.run.names import Resolver, describe_inputs, refuse_missing
from eas_processor.tf.run.plans import Arrays, Plan
from eas_processor.tf.run.run_errors import (
    placeholder_of,
    translate,
    translate_unreadable,
)
from eas_processor.tf.runtime import tf
from eas_wire import Request
from eas_wire.text import list_names, quote

log = logging.getLogger(__name__)

# Plans kept at a time. Each may hold a compiled copy of the graph, and a client chooses the names.
MAX_PLANS = 64

_Key = Tuple[str, Tuple[str, ...], Tuple[str, ...], bool, bool, bool]


class Model(Target):
    """
    A session with a graph in it, and its signatures by name (none for a frozen graph).

    `unable` are the nodes of the graph that cannot run, whatever the request.

    Safe to use from several threads.
    """

    def __init__(
        self,
        session: Any,
        signatures: Dict[str, Signature],
        saver_filename: str,
        config: ModelConfig,
        unable: Optional[Unable] = None,
    ) -> None:
        self.config = config
        self.metadata: Dict[str, Any] = {}
        """The signatures in full, as JSON can hold them."""
        self.request_log: Optional[Any] = None
        """Where samples of requests and answers go; None where nowhere."""
        self.json_nan = config.json_nan
        self.default_signature = choose_default(signatures, config.signature_name)
        self._session = session
        self._signatures = signatures
        self._resolver = Resolver(session.graph, saver_filename, bare=not signatures)
        self._follower = Follower(session.graph)
        self._faults = Faults(session.graph)
        self._unable = unable or Unable(session.graph, {})
        self._plans: Dict[_Key, Plan] = {}
        self._callables: "WeakValueDictionary[Any, GraphCallable]" = WeakValueDictionary()
        self._lock = threading.Lock()
        self._check_statement()
        if config.infer_signature and not signatures:
            self.default_signature = self._infer_signature()

    def _infer_signature(self) -> Optional[Signature]:
        graph, offers, why = self._session.graph, self._resolver.offers, self._unable.why
        found = infer_signature(graph, lambda spec: offers(spec) and not why(spec.tensor_name))
        if found is None:
            log.warning(
                "model_config.infer_signature: the graph does not tell what it takes or gives"
            )
        return found

    def _check_statement(self) -> None:
        stated = self.config.outputs_by_row
        given = {name for each in self._signatures.values() for name in each.outputs}
        unknown = set(stated).difference(given) if isinstance(stated, tuple) and given else ()
        if unknown:
            log.warning(
                "model_config.outputs_by_row names %s, which no signature gives: %s",
                list_names(sorted(unknown)),
                list_names(sorted(given)),
            )

    def prepare(self, request: Request, codec: Codec) -> Tuple[Plan, Arrays]:
        """Return how `request` runs and what to feed; raise `BadRequest` when it does not fit."""
        names = request.signature_name, request.inputs, request.output_filter
        plan = self.plan(*names, unsigned=codec.has_unsigned)
        if not codec.strict_shapes and not plan.fits(request.inputs):
            # A request that fits shares its plan, and so its runs, with those of strict codecs.
            plan = self.plan(*names, False, codec.checks_dtypes, codec.has_unsigned)
        return plan, plan.take(request.inputs)

    def plan(
        self,
        signature_name: str,
        inputs: Iterable[str],
        output_filter: Iterable[str],
        strict_shapes: bool = True,
        checks_dtypes: bool = True,
        unsigned: bool = False,
    ) -> Plan:
        """Return how a request with these names runs; raise `BadRequest` when one does not fit."""
        asked = signature_name, tuple(inputs), tuple(output_filter)
        key = (*asked, strict_shapes, checks_dtypes, unsigned)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._make_plan(key)
        return plan

    def signature(self, name: str) -> Optional[Signature]:
        """Return the signature that a request names; None when the model has none at all."""
        # A frozen graph takes any signature name: the SDKs make their users give one.
        if not name or not self._signatures:
            return self.default_signature
        return find_signature(self._signatures, name)

    def input_names(self, signature_name: str) -> Optional[Sequence[str]]:
        """Return the inputs of a signature; None where the model has no signatures."""
        signature = self.signature(signature_name)
        return None if signature is None else list(signature.inputs)

    def output_names(self, signature_name: str) -> Optional[Sequence[str]]:
        """Return the outputs of a signature; None where the model has no signatures."""
        signature = self.signature(signature_name)
        return list(signature.outputs) if signature and self._signatures else None

    def describe_inputs(self, signature_name: str) -> str:
        """Return what a signature takes, for the end of a sentence."""
        return describe_inputs(self.signature(signature_name))

    def example_outputs(self, signature_name: str, method: str) -> Sequence[str]:
        """Return the outputs of a signature that takes examples and does what `method` says."""
        return outputs_of_examples(self.signature_or_none(signature_name), signature_name, method)

    def example_tensors(self, signature_name: str, method: str) -> Tuple[str, Dict[str, str]]:
        """Return the names of the tensors of such a signature: its input, and outputs by name."""
        names = self.example_outputs(signature_name, method)
        signature = self.signature(signature_name)
        assert signature is not None
        (fed,) = signature.inputs.values()
        return fed.tensor_name, {name: signature.outputs[name].tensor_name for name in names}

    def signature_or_none(self, name: str) -> Optional[Signature]:
        """Return the signature of this name, None where there is no such one."""
        try:
            return self.signature(name)
        except BadRequest:
            return None

    def specs(
        self, signature_name: str, inputs: Iterable[str], output_filter: Iterable[str]
    ) -> Sequence[TensorSpec]:
        """Return each of the inputs that a request names; raise `BadRequest` as `plan` does."""
        return self.plan(signature_name, inputs, output_filter).inputs

    def run(self, plan: Plan, arrays: Arrays) -> Sequence[Any]:
        """Return the values fetched; raise `ModelRefusal` or `RunError`."""
        try:
            values = plan.graph_callable.run(*arrays)
        except tf.errors.OpError as error:
            raise self._translate(plan, error) from error
        except UnicodeDecodeError as error:
            raise translate_unreadable(error) from error
        if plan.proof.watches:
            plan.proof.note(arrays, values)
        return values

    def _translate(self, plan: Plan, error: Any) -> ProcessorError:
        unfed = placeholder_of(error.message)
        if unfed and self._leaves_out(plan, unfed):
            return RunError(
                f"the signature leaves out the placeholder {quote(unfed)}, which its outputs need: "
                f"export the model with a value for it, or send it as input {quote(unfed + ':0')}"
            )
        feeds = [spec.tensor_name for spec, _ in plan.feeds]
        is_requests = bool(unfed) or self._faults.is_requests(error, error.message, feeds)
        return translate(error, is_requests)

    def _leaves_out(self, plan: Plan, placeholder: str) -> bool:
        """Tell whether outputs of a signature need a placeholder that no signature names."""
        signatures = self._signatures.values()
        inputs = {spec.tensor_name for each in signatures for spec in each.inputs.values()}
        outputs = {id(spec) for each in signatures for spec in each.outputs.values()}
        asked = {id(spec) for spec in plan.fetches}
        return placeholder + ":0" not in inputs and asked <= outputs

    def _make_plan(self, key: _Key) -> Plan:
        signature = self.signature(key[0])
        with self._lock:
            plan = self._resolve(signature, *key[1:])
            if len(self._plans) >= MAX_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = plan
        return plan

    def _refuse_unable(self, fetches: Sequence[TensorSpec], feeds: Sequence[str]) -> None:
        if not self._unable:
            return
        for spec in fetches:
            why = self._unable.why(spec.tensor_name, feeds)
            if why:
                raise RunError(f"the model cannot compute output {quote(spec.name)}: {why}")

    def _resolve(
        self,
        signature: Optional[Signature],
        inputs: Sequence[str],
        output_filter: Sequence[str],
        strict_shapes: bool,
        checks_dtypes: bool,
        unsigned: bool,
    ) -> Plan:
        # In one order whichever way the client's map came out, so that its requests share a
        # callable.
        feeds = sorted(self._resolver.feeds(signature, inputs), key=lambda spec: spec.tensor_name)
        fetches = self._resolver.fetches(signature, output_filter, unsigned)
        # What was inferred from the graph may have inputs that an output does not need.
        declared = bool(self._signatures)
        if signature and declared and all(spec.name in signature.outputs for spec in fetches):
            refuse_missing(signature, feeds)
        feed_names = tuple(spec.tensor_name for spec in feeds)
        self._refuse_unable(fetches, feed_names)
        fetch_names = tuple(self._resolver.unfed(spec.tensor_name, feed_names) for spec in fetches)
        graph_callable = self._callables.get((feed_names, fetch_names))
        if graph_callable is None:
            graph_callable = GraphCallable(
                self._session, feed_names, fetch_names, self.config.run_on_caller_thread
            )
            self._callables[feed_names, fetch_names] = graph_callable
        strict = strict_shapes and self.config.strict_shapes
        shapes = tuple([spec.shape if strict else None for spec in feeds])
        stated = tuple([self.config.by_row(spec.name) for spec in fetches])
        proof = graph_callable.proofs.get((shapes, stated))
        if proof is None:
            asked = [
                Fetch(tensor, spec.name, by_row)
                for tensor, spec, by_row in zip(fetch_names, fetches, stated)
            ]
            label = f"signature {quote(signature.name)}" if signature else "the graph"
            proof = RowProof(self._follower, list(zip(feed_names, shapes)), asked, label)
            graph_callable.proofs[shapes, stated] = proof
        return Plan(feeds, fetches, graph_callable, proof, strict, checks_dtypes)
