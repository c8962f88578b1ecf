"""The hooks of a processor that is a class, as the vendor's module `allspark` defines it."""

import logging
import operator
from typing import Any, Dict

from eas_processor.link.codes import BY_NAME
from eas_processor.worker.errors import HooksError, OwnStatus, own_answer
from eas_processor.worker.function_hooks import check_call, wrong_answer
from eas_processor.worker.sentences import describe_error

log = logging.getLogger("eas_processor.worker")

_RAISED = 400
"""The status for an exception from `process`, which is the vendor's choice."""
_EXPECTED = "(bytes, status)"
_NO_STATUS = -1


class ClassHooks:
    """
    The hooks of one instance of `allspark.BaseProcessor`, as attributes.

    `name` is its file name, for messages. Raises HooksError if a method cannot be called.
    """

    def __init__(self, instance: Any, allspark: Any, name: str) -> None:
        kind = type(instance)
        self._instance = instance
        self._allspark = allspark
        self._shown = f"{name}: `{kind.__name__}.process`"
        self._warned_of_text = False
        if kind.process is allspark.BaseProcessor.process:
            raise HooksError(f"{name}: the class {kind.__name__} has no `process(self, data)`")
        check_call(instance.process, self._shown, ("data",))
        check_call(instance.initialize, f"{name}: `{kind.__name__}.initialize`", ())
        if hasattr(instance, "shutdown"):
            check_call(instance.shutdown, f"{name}: `{kind.__name__}.shutdown`", ())
            self.shutdown = lambda model: instance.shutdown()

    def initialize(self, model_entry: str, model_config: str) -> Any:
        """Let the instance load its model; return its method `process`."""
        self._allspark.set_model_path(model_entry)
        self._instance.initialize()
        return self._instance.process

    def process(self, model: Any, request: Any) -> bytes:
        """Answer one request. Raises OwnStatus for any status but success, and WrongAnswer."""
        try:
            answer = model(request if type(request) is bytes else bytes(request))
        except BaseException as error:
            if self._refuses(error):
                raise
            log.error("%s raised", self._shown, exc_info=error)
            text = f"process raised {describe_error(error)}"
            raise OwnStatus(_RAISED, text.encode(errors="replace")) from error
        if type(answer) is tuple and len(answer) == 2:
            body, status = answer
            if type(body) is not bytes:
                body = self._as_bytes(body)
            if status == 200:
                return body
            return own_answer(_as_status(status), body)
        raise wrong_answer(self._shown, type(answer).__name__, _EXPECTED)

    def asked(self) -> Dict[str, str]:
        """Return the settings that the processor asks its service for, by name."""
        wishes: Dict[str, str] = self._allspark.asked(self._instance)
        return wishes

    def _as_bytes(self, body: Any) -> bytes:
        if isinstance(body, str):
            if not self._warned_of_text:
                self._warned_of_text = True
                log.warning("%s returns str, which is sent as UTF-8; return bytes", self._shown)
            return body.encode(errors="replace")
        if isinstance(body, (bytearray, memoryview)):
            return bytes(body)
        raise wrong_answer(self._shown, f"({type(body).__name__}, status)", _EXPECTED)

    @staticmethod
    def _refuses(error: BaseException) -> bool:
        """Return whether an exception has its own code or status."""
        code, status = getattr(error, "code", None), getattr(error, "status", None)
        return isinstance(error, Exception) and (
            isinstance(status, int) or (isinstance(code, str) and code in BY_NAME)
        )


def _as_status(status: Any) -> int:
    try:
        return operator.index(status)
    except TypeError:
        return _NO_STATUS
