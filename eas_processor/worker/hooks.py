"""The processor's hooks: loading them, and calling them so that whatever they raise becomes a status and a sentence."""

import importlib
import importlib.util
import logging
import os

from types import ModuleType
from typing import Any, List, Optional, Tuple

log = logging.getLogger("eas_processor.worker")

Answer = Tuple[int, bytes]
"""HTTP status, and the response body or one sentence of UTF-8 text."""


class HooksError(Exception):
    """The processor cannot be loaded, or `initialize` refused the model. Its text is one sentence."""


def import_hooks(name: str) -> ModuleType:
    """Import a module of hooks by dotted name, or from a `.py` file."""
    try:
        if name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(os.path.basename(name)[:-3], name)
            if spec is None or spec.loader is None:
                raise ImportError(f"{name} is not a Python module")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(name)
    except Exception as error:
        log.debug("import of %s failed", name, exc_info=True)
        raise HooksError(
            f"the processor {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    missing = [hook for hook in ("initialize", "process") if not hasattr(module, hook)]
    if missing:
        raise HooksError(f"the processor {name} has no hook `{missing[0]}`")
    return module


class Processor:
    """One module of hooks with the model that its `initialize` returned."""

    def __init__(self, hooks: ModuleType, model_entry: str, model_config: str) -> None:
        self._process = hooks.process
        self._batch_process = getattr(hooks, "batch_process", None)
        self._describe = getattr(hooks, "get_serving_model_info", None)
        try:
            self._model = hooks.initialize(model_entry, model_config)
        except Exception as error:
            raise HooksError(_load_failure(error)) from error

    @property
    def batches(self) -> bool:
        """Whether the hooks can run several requests at once."""
        return self._batch_process is not None

    def describe(self) -> Answer:
        """Return the signature JSON, or why there is none."""
        if self._describe is None:
            return 400, b"this processor does not describe its model"
        try:
            return 200, self._describe(self._model)
        except Exception as error:
            return refusal(error)

    def process(self, request: Any) -> Answer:
        """Answer one request body."""
        try:
            return 200, self._process(self._model, request)
        except Exception as error:
            return refusal(error)

    def batch_process(self, requests: List[Any]) -> List[Answer]:
        """Answer several request bodies, in order."""
        if self._batch_process is None or len(requests) == 1:
            return [self.process(request) for request in requests]
        try:
            results = self._batch_process(self._model, requests)
        except Exception as error:
            return [refusal(error)] * len(requests)
        return [refusal(each) if isinstance(each, Exception) else (200, each) for each in results]


def refusal(error: Exception) -> Answer:
    """Return the status that an exception of the hooks carries, or 500 for one that carries none."""
    status = getattr(error, "status", None)  # type: Optional[int]
    if status is not None:
        return status, str(error).encode()
    log.error("the processor raised an unexpected error", exc_info=error)
    text = f"the processor failed with {type(error).__name__}: {error}; its log has the traceback"
    return 500, text.encode()


def _load_failure(error: Exception) -> str:
    if hasattr(error, "status"):
        return str(error)
    log.error("initialize failed", exc_info=error)
    return f"the processor failed to load the model: {type(error).__name__}: {error}"
