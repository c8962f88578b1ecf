"""The hooks of a processor of the vendor's class style."""

import logging
import operator
from typing import Any, Dict

from eas_processor.link.codes import BY_NAME
from eas_processor.worker.errors import HooksError, OwnStatus, own_answer
from eas_processor.worker.function_hooks import check_call, wrong_answer
from eas_processor.worker.sentences import said_by

log = logging.getLogger("eas_processor.worker")

_RAISED = 400
"""What an exception is answered with, as at the vendor's."""
_EXPECTED = "(bytes, status)"
_NO_STATUS = -1


class ClassHooks:
    """
    The hooks of one instance of `BaseProcessor`, as attributes; `allspark` is its module.

    `name` is that of its file, for sentences. Raises HooksError where `process` cannot be called.
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
        """Have the instance load its model; return its `process`."""
        self._allspark.set_model_path(model_entry)
        self._instance.initialize()
        return self._instance.process

    def process(self, model: Any, request: Any) -> bytes:
        """Answer one request. Raises OwnStatus for what is no success, WrongAnswer."""
        try:
            answer = model(request if type(request) is bytes else bytes(request))
        except BaseException as error:
            if self._refuses(error):
                raise
            log.error("%s raised", self._shown, exc_info=error)
            text = f"process raised {said_by(error)}"
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
        """Return what the processor asks for of the service that runs it, by name."""
        wishes: Dict[str, str] = self._allspark.asked(self._instance)
        return wishes

    def _as_bytes(self, body: Any) -> bytes:
        if isinstance(body, str):
            if not self._warned_of_text:
                self._warned_of_text = True
                log.warning("%s returns text, which is sent as UTF-8", self._shown)
            return body.encode(errors="replace")
        if isinstance(body, (bytearray, memoryview)):
            return bytes(body)
        raise wrong_answer(self._shown, f"({type(body).__name__}, status)", _EXPECTED)

    @staticmethod
    def _refuses(error: BaseException) -> bool:
        """Whether an exception says itself what it is to be answered with."""
        code, status = getattr(error, "code", None), getattr(error, "status", None)
        return isinstance(error, Exception) and (
            isinstance(status, int) or (isinstance(code, str) and code in BY_NAME)
        )


def _as_status(status: Any) -> int:
    try:
        return operator.index(status)
    except TypeError:
        return _NO_STATUS
