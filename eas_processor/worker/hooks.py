"""
The processor's hooks: loading them, and calling them so that an exception becomes a code.

    initialize(model_entry, model_config)   the model, which the other hooks get
    process(model, request)                 the answer to a request body, both as bytes
    batch_process(model, requests)          optional: one answer or exception for each, in order
    process_json(model, request)            optional: the same as `process` for a body in JSON
    get_serving_model_info(model)           optional: what the model takes and gives, as JSON
    shutdown(model)                         optional: the worker ends
    take_times()                            optional: the rows of each run, and the seconds of
                                            decoding, running and encoding, of this thread since the
                                            last call
    take_profile(model, levels, wait)       optional: what the process did while `wait()` ran, for
                                            the processor's own tools; b"" where that was nothing

Each request comes in a codec, a number in its frame's head. Hooks that read codecs themselves have
`TAKES_CODECS = True`, no `process_json`, and one more argument: `process(model, request, codec)`
and `batch_process(model, requests, codecs)`. `eas_processor.codecs.registry.find` turns a number
into what decodes and encodes. For hooks without it the worker chooses by the number: `process_json`
gets what is sent as JSON, `process` and `batch_process` the rest, and all of it where there is no
`process_json`. Without `get_serving_model_info` a request without a body is theirs too.
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
from eas_processor.worker.sentences import cut, said_by, text_of

log = logging.getLogger("eas_processor.worker")

Answer = Tuple[int, bytes]
"""Status code (`link.codes`), and the response body or one sentence of UTF-8 text."""

_NO_CODEC = b"this processor does not take this encoding"

# What an exception can stand for: the others are no refusals, or say more than a sentence.
_REFUSALS = frozenset(BY_NAME) - {"OK", "CANCELLED", "PROCESSOR"}


def import_hooks(name: str) -> Any:
    """
    Load the hooks by dotted name, from a `.py` file, or from a `.so` of the C ABI.

    Returned is an object that has them as attributes. Raises HooksError.
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
    """Return an optional hook: of the module, or of its `process`, which may be more than one."""
    return getattr(hooks, name, getattr(hooks.process, name, default))


class Processor:
    """An object that has the hooks, with the model that its `initialize` returned."""

    def __init__(self, hooks: Any, model_entry: str, model_config: str) -> None:
        self._takes_codecs = _optional(hooks, "TAKES_CODECS", False)
        self._process = hooks.process
        self._process_json = getattr(hooks, "process_json", hooks.process)
        # Those whose bodies `process` and `batch_process` get.
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
    def says_farewell(self) -> bool:
        """Whether the hooks have something to do when the worker ends."""
        return self._shutdown is not None

    def shutdown(self) -> None:
        """Tell the hooks that the worker ends; what goes wrong then is logged."""
        if self._shutdown is not None:
            try:
                self._shutdown(self._model)
            except BaseException:
                log.exception("shutdown failed")

    def asked(self) -> Dict[str, str]:
        """Return what the processor asks for of its service, by name."""
        return self._asked() if self._asked is not None else {}

    @property
    def batches(self) -> bool:
        """Whether the hooks can run several requests at once."""
        return self._batch_process is not None

    def take_times(
        self, requests: int, seconds: float
    ) -> Tuple[Sequence[int], float, float, float]:
        """
        Return the rows of each run, and the seconds of decoding, running and encoding, since.

        That is of this thread. Hooks that do not tell have spent all of the `seconds` in one run,
        with one row a request.
        """
        if self._take_times is None:
            return [requests], 0.0, seconds, 0.0
        rows, decode, run, encode = self._take_times()
        return rows, decode, run, encode

    def describe(self) -> Answer:
        """Return the signature JSON, or why there is none: UNIMPLEMENTED where no hook gives it."""
        if self._describe is None:
            return UNIMPLEMENTED, b"this processor does not describe its model"
        try:
            return OK, _body(self._describe(self._model))
        except BaseException as error:
            return refusal(error)

    def metadata(self) -> str:
        """Return what TensorFlow Serving's `/metadata` shows of the signatures, "" for nothing."""
        return "" if self._get_metadata is None else self._get_metadata(self._model).decode()

    def load_facts(self) -> Dict[str, float]:
        """Return what loading the model took, by name, as far as the hooks tell."""
        return {} if self._get_load_facts is None else self._get_load_facts(self._model)

    def profile(self, levels: Dict[str, int], wait: Callable[[], Any]) -> Answer:
        """Return a profile of what runs while `wait` does; `levels` say how much it tells."""
        if self._take_profile is None:
            return UNIMPLEMENTED, b"this processor cannot be profiled"
        try:
            return OK, _body(self._take_profile(self._model, levels, wait))
        except BaseException as error:
            return refusal(error)

    def process(self, request: Any, codec: int = ARRAY_PROTO) -> Answer:
        """Answer one request body."""
        try:
            if self._takes_codecs:
                return OK, _body(self._process(self._model, request, codec))
            if codec == EAS_JSON:
                return OK, _body(self._process_json(self._model, request))
            if codec != ARRAY_PROTO:
                return UNIMPLEMENTED, _NO_CODEC
            return OK, _body(self._process(self._model, request))
        except BaseException as error:  # `sys.exit()` too: the others go on
            return refusal(error)

    def batch_process(self, requests: List[Any], codecs: Sequence[int]) -> List[Answer]:
        """Answer several request bodies, each in the codec of the number beside it, in order."""
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
        """Answer requests with one call of the hook, to which `arguments` go too."""
        try:
            results = self._batch_process(self._model, requests, *arguments)
            if len(results) != len(requests):
                raise ValueError(
                    f"batch_process returned {len(results)} results for {len(requests)} requests"
                )
        except BaseException:
            log.exception("a batch failed; its requests are run one by one")
            return list(map(self.process, requests, codecs))
        return [(OK, each) if type(each) is bytes else _outcome(each) for each in results]


def refusal(error: BaseException) -> Answer:
    """
    Return the code and the sentence that an exception of the hooks stands for.

    Those of a custom processor may have an HTTP `status`, which is passed on. Errors of this
    project have the name of a code as `code`. Any other is INTERNAL.
    """
    if isinstance(error, OwnStatus):
        return PROCESSOR, pack_status(error.status, error.body)
    code: Any = getattr(error, "code", None)
    status: Any = getattr(error, "status", None)
    # Exceptions of other libraries have a `code` or `status` too, and it can be anything.
    if isinstance(status, int) and 400 <= status <= 599:
        return PROCESSOR, pack_status(status, cut(text_of(error)).encode(errors="replace"))
    if isinstance(code, str) and code in _REFUSALS:
        return BY_NAME[code], cut(text_of(error)).encode(errors="replace")
    log.error("the processor raised an unexpected error", exc_info=error)
    text = f"the processor failed with {said_by(error)}; its log has the traceback"
    return INTERNAL, text.encode(errors="replace")


def info_facts(code: int, payload: bytes) -> Dict[str, Any]:
    """Return what `describe` says in a form that JSON can hold."""
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
        return text_of(error)
    log.error("initialize failed", exc_info=error)
    return f"the processor failed to load the model: {type(error).__name__}: {text_of(error)}"
