"""What runs the plans of one model."""

from typing import Any, Optional, Sequence, Tuple, Type

from eas_processor.tf.errors import ProcessorError
from eas_processor.tf.model.signatures import Signature
from eas_processor.tf.run.plans import Plan


class Runner:
    """
    Finds what names of a request mean, and says what a failed run means.

    `failures` are the exceptions that a run may raise.
    """

    failures: Tuple[Type[BaseException], ...] = ()

    def resolve(
        self,
        signature: Optional[Signature],
        inputs: Sequence[str],
        output_filter: Sequence[str],
        strict_shapes: bool,
        checks_dtypes: bool,
        unsigned: bool,
    ) -> Plan:
        """Return how a request with these names runs; raise `BadRequest` when one does not fit."""
        raise NotImplementedError

    def translate(self, plan: Plan, error: Any) -> ProcessorError:
        """Return the error to raise for one of `failures`."""
        raise NotImplementedError

    def infer_signature(self) -> Optional[Signature]:
        """Return a signature for a model that has none, None where nothing tells it."""
        return None
