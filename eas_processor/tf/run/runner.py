"""The interface of the code that runs one kind of model."""

from typing import Any, Optional, Sequence, Tuple, Type

from eas_processor.tf.errors import ProcessorError
from eas_processor.tf.model.signatures import Signature
from eas_processor.tf.run.plans import Plan


class Runner:
    """
    Makes plans for one model, and translates the errors of its runs.

    `failures` are the exceptions that a plan's callable may raise.
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
        """
        Return the plan for requests with these input and output names.

        `signature` is None for a model without signatures. An empty `output_filter` means all
        outputs. `strict_shapes` and `checks_dtypes` tell what the plan checks, and `unsigned`
        whether answers can carry DT_UINT32 and DT_UINT64. Raises BadRequest for a name that is
        unknown or missing, and RunError if the model can never compute an output.
        """
        raise NotImplementedError

    def translate(self, plan: Plan, error: Any) -> ProcessorError:
        """Convert one of `failures` to this processor's error."""
        raise NotImplementedError

    def infer_signature(self) -> Optional[Signature]:
        """Return a signature for a model without any, or None if that is impossible."""
        return None
