"""Make plans for a graph in a session, and translate the errors of its runs."""

import logging
from typing import Any, Dict, Optional, Sequence
from weakref import WeakValueDictionary

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.errors import ProcessorError, RunError
from eas_processor.tf.model.signatures import Signature, TensorSpec
from eas_processor.tf.model.unable import Unable
from eas_processor.tf.rows.graph import Follower
from eas_processor.tf.rows.proof import Fetch, RowProof
from eas_processor.tf.run.callables import GraphCallable
from eas_processor.tf.run.fault import Faults
from eas_processor.tf.run.inferred import infer_signature
from eas_processor.tf.run.names import Resolver, refuse_missing
from eas_processor.tf.run.plans import Plan
from eas_processor.tf.run.run_errors import placeholder_of, translate, translate_unreadable
from eas_processor.tf.run.runner import Runner
from eas_processor.tf.runtime import tf
from eas_wire.text import quote

log = logging.getLogger(__name__)


class GraphRunner(Runner):
    """
    Runs a graph in a session.

    `signatures` are by name, and empty for a frozen graph. `unable` are the nodes of the graph that
    can never run.
    """

    failures = (tf.errors.OpError, UnicodeDecodeError)

    def __init__(
        self,
        session: Any,
        signatures: Dict[str, Signature],
        saver_filename: str,
        config: ModelConfig,
        unable: Optional[Unable] = None,
    ) -> None:
        self._config = config
        self._session = session
        self._signatures = signatures
        self._resolver = Resolver(session.graph, saver_filename, bare=not signatures)
        self._follower = Follower(session.graph)
        self._faults = Faults(session.graph)
        self._unable = unable or Unable(session.graph, {})
        self._callables: "WeakValueDictionary[Any, GraphCallable]" = WeakValueDictionary()

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
        # Sorted, so that requests share a callable whatever the order of their inputs.
        feeds = sorted(self._resolver.feeds(signature, inputs), key=lambda spec: spec.tensor_name)
        fetches = self._resolver.fetches(signature, output_filter, unsigned)
        # An inferred signature may have inputs that an output does not need.
        declared = bool(self._signatures)
        if signature and declared and all(spec.name in signature.outputs for spec in fetches):
            refuse_missing(signature, feeds)
        feed_names = tuple(spec.tensor_name for spec in feeds)
        self._refuse_unable(fetches, feed_names)
        fetch_names = tuple(self._resolver.unfed(spec.tensor_name, feed_names) for spec in fetches)
        graph_callable = self._callables.get((feed_names, fetch_names))
        if graph_callable is None:
            graph_callable = GraphCallable(
                self._session, feed_names, fetch_names, self._config.run_on_caller_thread
            )
            self._callables[feed_names, fetch_names] = graph_callable
        strict = strict_shapes and self._config.strict_shapes
        shapes = tuple([spec.shape if strict else None for spec in feeds])
        stated = tuple([self._config.by_row(spec.name) for spec in fetches])
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

    def translate(self, plan: Plan, error: Any) -> ProcessorError:
        """Convert an exception of a run to this processor's error."""
        if isinstance(error, UnicodeDecodeError):
            return translate_unreadable(error)
        unfed = placeholder_of(error.message)
        if unfed and self._leaves_out(plan, unfed):
            return RunError(
                f"the signature lacks the placeholder {quote(unfed)}, which its outputs need: "
                f"export the model with a value for it, or send it as input {quote(unfed + ':0')}"
            )
        feeds = [spec.tensor_name for spec, _ in plan.feeds]
        is_request_fault = bool(unfed) or self._faults.is_request_fault(error, error.message, feeds)
        return translate(error, is_request_fault)

    def _leaves_out(self, plan: Plan, placeholder: str) -> bool:
        """Return whether no signature has `placeholder`, although outputs of one need it."""
        signatures = self._signatures.values()
        inputs = {spec.tensor_name for each in signatures for spec in each.inputs.values()}
        outputs = {id(spec) for each in signatures for spec in each.outputs.values()}
        asked = {id(spec) for spec in plan.fetches}
        return placeholder + ":0" not in inputs and asked <= outputs

    def infer_signature(self) -> Optional[Signature]:
        """Infer a signature from the graph, or return None if that is impossible."""
        graph, offers, why = self._session.graph, self._resolver.offers, self._unable.why
        found = infer_signature(graph, lambda spec: offers(spec) and not why(spec.tensor_name))
        if found is None:
            log.warning(
                "model_config.infer_signature: the graph has no placeholders, or no outputs that "
                "depend on them"
            )
        return found

    def _refuse_unable(self, fetches: Sequence[TensorSpec], feeds: Sequence[str]) -> None:
        if not self._unable:
            return
        for spec in fetches:
            why = self._unable.why(spec.tensor_name, feeds)
            if why:
                raise RunError(f"the model cannot compute output {quote(spec.name)}: {why}")
