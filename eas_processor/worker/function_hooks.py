"""Hooks that are the functions of a module: checked when it is loaded, and on each answer."""

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
    """A hook has returned what is no answer: one sentence."""

    code = "INTERNAL"


class FunctionHooks:
    """
    The hooks that a module defines, as attributes.

    Those that know no codecs get requests as `bytes`, also large ones, which arrive as views. The
    `name` is for sentences. Raises HooksError where a hook cannot be called as it will be.
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
                setattr(self, hook, _of_bytes(getattr(self, hook), f"{name}: `{hook}`"))
        if hasattr(self, "batch_process"):
            self.batch_process = _of_many(module.batch_process)


def check_call(function: Any, shown: str, expected: Tuple[str, ...]) -> None:
    """Raise HooksError unless `function` can be called with the `expected` parameters."""
    takes = f"expected a function of ({', '.join(expected)})"
    if not callable(function):
        raise HooksError(f"{shown} is of type {type(function).__name__}, {takes}")
    if inspect.iscoroutinefunction(function):
        raise HooksError(f"{shown} is declared with `async def`, {takes} declared with `def`")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a function in C may have none
    try:
        signature.bind(*expected)
    except TypeError:
        raise HooksError(f"{shown} takes {signature}, {takes}") from None


def wrong_answer(shown: str, returned: str, expected: str) -> WrongAnswer:
    """Return the exception for what a hook returned, and log it."""
    sentence = f"{shown} returned {returned}, expected {expected}"
    log.error("%s", sentence)
    return WrongAnswer(sentence)


def _of_bytes(hook: Callable[..., Any], shown: str) -> Callable[[Any, Any], bytes]:
    @functools.wraps(hook)
    def call(model: Any, request: Any) -> bytes:
        answer = hook(model, request if type(request) is bytes else bytes(request))
        if type(answer) is bytes:
            return answer
        if isinstance(answer, (bytearray, memoryview)):
            return bytes(answer)
        raise wrong_answer(shown, type(answer).__name__, "bytes")

    return call


def _of_many(hook: Callable[..., Any]) -> Callable[[Any, List[Any]], Any]:
    @functools.wraps(hook)
    def call(model: Any, requests: List[Any]) -> Any:
        return hook(model, [each if type(each) is bytes else bytes(each) for each in requests])

    return call
