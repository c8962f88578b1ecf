"""The hooks of a processor that is a module: its functions, and the checks of their results."""

import functools
import inspect
import logging
from types import ModuleType
from typing import Any, Callable, Dict, List, Tuple

from eas_processor.worker.errors import HooksError

log = logging.getLogger("eas_processor.worker")

_PARAMETERS: Dict[str, Tuple[str, ...]] = {
    "initialize": ("model_entry", "model_config"),
    "process": ("model", "request"),
    "batch_process": ("model", "requests"),
    "process_json": ("model", "request"),
    "get_serving_model_info": ("model",),
    "shutdown": ("model",),
    "take_times": (),
    "take_profile": ("model", "levels", "wait"),
}
_WITH_CODECS = {
    "process": ("model", "request", "codec"),
    "batch_process": ("model", "requests", "codecs"),
}


class WrongAnswer(Exception):
    """A hook returned a value that is not an answer; the message says what was expected."""

    code = "INTERNAL"


class FunctionHooks:
    """
    The hooks that a module defines, as attributes.

    Hooks without `TAKES_CODECS` always get requests as `bytes`, although the worker receives large
    ones as memoryviews. `name` is for messages. Raises HooksError if a hook does not take its
    arguments.
    """

    def __init__(self, module: ModuleType, name: str) -> None:
        takes_codecs = getattr(
            module, "TAKES_CODECS", getattr(module.process, "TAKES_CODECS", False)
        )
        parameters = dict(_PARAMETERS, **(_WITH_CODECS if takes_codecs else {}))
        for hook, expected in parameters.items():
            function = getattr(module, hook, None)
            if function is not None:
                check_call(function, f"{name}: `{hook}`", expected)
                setattr(self, hook, function)
        if takes_codecs:
            self.TAKES_CODECS = True
            return
        for hook in ("process", "process_json"):
            if hasattr(self, hook):
                setattr(self, hook, _with_bytes(getattr(self, hook), f"{name}: `{hook}`"))
        if hasattr(self, "batch_process"):
            self.batch_process = _with_bytes_each(module.batch_process)


def check_call(function: Any, shown: str, expected: Tuple[str, ...]) -> None:
    """Raise HooksError unless `function` can be called with `expected` as positional arguments."""
    takes = f"expected a function of ({', '.join(expected)})"
    if not callable(function):
        raise HooksError(f"{shown} is of type {type(function).__name__}, {takes}")
    if inspect.iscoroutinefunction(function):
        raise HooksError(f"{shown} is declared with `async def`, {takes} declared with `def`")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # functions in C may have no signature
    try:
        signature.bind(*expected)
    except TypeError:
        raise HooksError(f"{shown} takes {signature}, {takes}") from None


def wrong_answer(shown: str, returned: str, expected: str) -> WrongAnswer:
    """Log a wrong return value of a hook, and return the exception for it."""
    sentence = f"{shown} returned {returned}, expected {expected}"
    log.error("%s", sentence)
    return WrongAnswer(sentence)


def _with_bytes(hook: Callable[..., Any], shown: str) -> Callable[[Any, Any], bytes]:
    @functools.wraps(hook)
    def call(model: Any, request: Any) -> bytes:
        answer = hook(model, request if type(request) is bytes else bytes(request))
        if type(answer) is bytes:
            return answer
        if isinstance(answer, (bytearray, memoryview)):
            return bytes(answer)
        raise wrong_answer(shown, type(answer).__name__, "bytes")

    return call


def _with_bytes_each(hook: Callable[..., Any]) -> Callable[[Any, List[Any]], Any]:
    @functools.wraps(hook)
    def call(model: Any, requests: List[Any]) -> Any:
        return hook(model, [each if type(each) is bytes else bytes(each) for each in requests])

    return call
