"""
Load a processor's hooks, and call them so that each exception becomes a status code.

    initialize(model_entry, model_config)   returns the model, which the other hooks get
    process(model, request)                 returns the answer to a request body, both as bytes
    batch_process(model, requests)          optional: returns one answer or exception per request
    process_json(model, request)            optional: like `process`, for JSON bodies
    get_serving_model_info(model)           optional: returns the model's signature as JSON
    shutdown(model)                         optional: called before the worker ends
    take_times()                            optional: returns the rows of each run, and the seconds
                                            of decoding, running and encoding, of this thread since
                                            the last call
    take_profile(model, levels, wait)       optional: calls `wait()`, and returns a profile of that
                                            time for the processor's own tools; b"" if nothing ran

Each request has a codec, whose number is in the head of its frame. Hooks that handle codecs
themselves set `TAKES_CODECS = True`, have no `process_json`, and take one more argument:
`process(model, request, codec)` and `batch_process(model, requests, codecs)`.
`eas_processor.codecs.registry.find` returns the codec with a number. For other hooks the worker
chooses: JSON bodies go to `process_json`, ArrayProto bodies to `process` and `batch_process`.
Without `process_json`, JSON bodies go there too. Without `get_serving_model_info`, so do requests
without a body.
"""

import importlib
import logging
from typing import Any, Callable, Dict, List, Sequence, Tuple

from eas_processor.link.codes import (
    BY_NAME,
    INTERNAL,
    OK,
    PROCESSOR,
    UNIMPLEMENTED,
    pack_status,
    unpack_status,
)
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON
from eas_processor.worker import python_file, shared_object
from eas_processor.worker.errors import HooksError as HooksError
from eas_processor.worker.errors import OwnStatus
from eas_processor.worker.sentences import cut, describe_error, message_of

log = logging.getLogger("eas_processor.worker")

Answer = Tuple[int, bytes]
"""A status code (`link.codes`), and the response body or one sentence of UTF-8 text."""

_NO_CODEC = b"this processor does not support the encoding of this request"

# The codes that an exception may name. The others are not refusals, or need more than a sentence.
_REFUSALS = frozenset(BY_NAME) - {"OK", "CANCELLED", "PROCESSOR"}


def import_hooks(name: str) -> Any:
    """
    Load hooks by dotted module name, from a `.py` file, or from a `.so` with the C ABI.

    Returns an object with the hooks as attributes. Raises HooksError.
    """
    if name.endswith(".so"):
        return shared_object.load(name)
    if name.endswith(".py"):
        return python_file.load(name)
    try:
        module = importlib.import_module(name)
    except Exception as error:
        if not isinstance(error, ImportError):
            log.error("import of %s failed", name, exc_info=error)
        raise HooksError(
            f"the processor {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    missing = [hook for hook in ("initialize", "process") if not hasattr(module, hook)]
    if missing:
        raise HooksError(f"the processor {name} has no hook `{missing[0]}`")
    return module


def _optional(hooks: Any, name: str, default: Any = None) -> Any:
    """Return an optional hook of the module, or of `process` if that is an object with hooks."""
    return getattr(hooks, name, getattr(hooks.process, name, default))


class Processor:
    """
    The loaded hooks of a processor, and the model that its `initialize` returned.

    Raises HooksError if `initialize` fails.
    """

    def __init__(self, hooks: Any, model_entry: str, model_config: str) -> None:
        self._takes_codecs = _optional(hooks, "TAKES_CODECS", False)
        self._process = hooks.process
        self._process_json = getattr(hooks, "process_json", hooks.process)
        # The codecs whose bodies go to `process` and `batch_process`.
        joins_json = not hasattr(hooks, "process_json")
        self._joined = {ARRAY_PROTO, EAS_JSON} if joins_json else {ARRAY_PROTO}
        self._batch_process: Any = _optional(hooks, "batch_process")
        self._take_times = _optional(hooks, "take_times")
        self._describe = _optional(hooks, "get_serving_model_info")
        self._get_metadata = _optional(hooks, "get_model_metadata")
        self._get_load_facts = _optional(hooks, "get_load_facts")
        self._take_profile = _optional(hooks, "take_profile")
        self._shutdown: Any = getattr(hooks, "shutdown", None)
        self._asked: Any = getattr(hooks, "asked", None)
        try:
            self._model = hooks.initialize(model_entry, model_config)
        except HooksError:
            raise
        except BaseException as error:
            raise HooksError(_load_failure(error)) from error

    @property
    def has_shutdown_hook(self) -> bool:
        """Whether there is a hook to call when the worker ends."""
        return self._shutdown is not None

    def shutdown(self) -> None:
        """Call the hook `shutdown` if there is one; its exceptions are logged."""
        if self._shutdown is not None:
            try:
                self._shutdown(self._model)
            except BaseException:
                log.exception("shutdown failed")

    def asked(self) -> Dict[str, str]:
        """Return the settings that the processor asks its service for, by name."""
        return self._asked() if self._asked is not None else {}

    @property
    def batches(self) -> bool:
        """Whether the hooks can run several requests in one call."""
        return self._batch_process is not None

    def take_times(
        self, requests: int, seconds: float
    ) -> Tuple[Sequence[int], float, float, float]:
        """
        Return the rows of each run, and the seconds of decoding, running and encoding.

        They cover this thread since the last call. Without the hook `take_times`, all `requests`
        count as one run that took all `seconds`, with one row each.
        """
        if self._take_times is None:
            return [requests], 0.0, seconds, 0.0
        rows, decode, run, encode = self._take_times()
        return rows, decode, run, encode

    def describe(self) -> Answer:
        """Return the model's signature as JSON, or UNIMPLEMENTED without a hook for it."""
        if self._describe is None:
            return UNIMPLEMENTED, b"this processor does not describe its model"
        try:
            return OK, _body(self._describe(self._model))
        except BaseException as error:
            return refusal(error)

    def metadata(self) -> str:
        """Return the signatures for TensorFlow Serving's `/metadata` as JSON, or ""."""
        return "" if self._get_metadata is None else self._get_metadata(self._model).decode()

    def load_facts(self) -> Dict[str, float]:
        """Return measurements of the model's load by name, if the hooks provide them."""
        return {} if self._get_load_facts is None else self._get_load_facts(self._model)

    def profile(self, levels: Dict[str, int], wait: Callable[[], Any]) -> Answer:
        """Profile the processor while `wait` runs; `levels` choose the detail."""
        if self._take_profile is None:
            return UNIMPLEMENTED, b"this processor cannot be profiled"
        try:
            return OK, _body(self._take_profile(self._model, levels, wait))
        except BaseException as error:
            return refusal(error)

    def process(self, request: Any, codec: int = ARRAY_PROTO) -> Answer:
        """Answer one request body, whose encoding is number `codec`."""
        try:
            if self._takes_codecs:
                return OK, _body(self._process(self._model, request, codec))
            if codec == EAS_JSON:
                return OK, _body(self._process_json(self._model, request))
            if codec != ARRAY_PROTO:
                return UNIMPLEMENTED, _NO_CODEC
            return OK, _body(self._process(self._model, request))
        except BaseException as error:  # `sys.exit()` too must not end the other requests
            return refusal(error)

    def batch_process(self, requests: List[Any], codecs: Sequence[int]) -> List[Answer]:
        """Answer several request bodies in order; `codecs` are the numbers of their encodings."""
        if self._batch_process is None or len(requests) == 1:
            return list(map(self.process, requests, codecs))
        if self._takes_codecs:
            return self._run_batch(requests, codecs, codecs)
        if self._joined.issuperset(codecs):
            return self._run_batch(requests, codecs)
        joined = [each for each, codec in zip(requests, codecs) if codec in self._joined]
        answers = iter(self.batch_process(joined, [ARRAY_PROTO] * len(joined)) if joined else ())
        return [
            next(answers) if codec in self._joined else self.process(each, codec)
            for each, codec in zip(requests, codecs)
        ]

    def _run_batch(
        self, requests: List[Any], codecs: Sequence[int], *arguments: Any
    ) -> List[Answer]:
        """Answer requests with one call of `batch_process`, which also gets `arguments`."""
        try:
            results = self._batch_process(self._model, requests, *arguments)
            if len(results) != len(requests):
                raise ValueError(
                    f"batch_process returned {len(results)} results for {len(requests)} requests"
                )
        except BaseException:
            log.exception("batch_process failed; the requests are run one by one")
            return list(map(self.process, requests, codecs))
        return [(OK, each) if type(each) is bytes else _outcome(each) for each in results]


def refusal(error: BaseException) -> Answer:
    """
    Convert an exception from the hooks to a code and a sentence.

    Exceptions of custom processors may have an HTTP status as `status`, which is passed on. Errors
    of this project have the name of a code as `code`. Any other exception is INTERNAL.
    """
    if isinstance(error, OwnStatus):
        return PROCESSOR, pack_status(error.status, error.body)
    code: Any = getattr(error, "code", None)
    status: Any = getattr(error, "status", None)
    # Exceptions of other libraries may have any value as `code` or `status`.
    if isinstance(status, int) and 400 <= status <= 599:
        return PROCESSOR, pack_status(status, cut(message_of(error)).encode(errors="replace"))
    if isinstance(code, str) and code in _REFUSALS:
        return BY_NAME[code], cut(message_of(error)).encode(errors="replace")
    log.error("the processor raised an unexpected error", exc_info=error)
    text = f"the processor failed with {describe_error(error)}; its log has the traceback"
    return INTERNAL, text.encode(errors="replace")


def info_facts(code: int, payload: bytes) -> Dict[str, Any]:
    """Return an answer of `describe` as values that JSON can represent."""
    status = 0
    if code == PROCESSOR:
        status, payload = unpack_status(payload)
    return {"info_code": code, "info_status": status, "info": payload.decode(errors="replace")}


def _outcome(result: Any) -> Answer:
    try:
        return refusal(result) if isinstance(result, BaseException) else (OK, _body(result))
    except TypeError as error:
        return refusal(error)


def _body(result: Any) -> bytes:
    if not isinstance(result, (bytes, bytearray)):
        raise TypeError(f"a hook returned {type(result).__name__}, expected bytes")
    return bytes(result)


def _load_failure(error: BaseException) -> str:
    code: Any = getattr(error, "code", None)
    if (isinstance(code, str) and code in BY_NAME) or hasattr(error, "status"):
        return message_of(error)
    log.error("initialize failed", exc_info=error)
    return f"the processor failed to load the model: {type(error).__name__}: {message_of(error)}"
