"""
Load a processor in C or C++: a shared object with the vendor's ABI, called through ctypes.

    void *initialize(const char *model_entry, const char *model_config, int *state)
    int process(void *model, const void *input, int size, void **output, int *output_size)
    int batch_process(void *model, const void *inputs[], int *sizes,
                      void *outputs[], int *output_sizes)                       optional

Calls release the GIL. Inputs are passed without a copy. The library allocates outputs with malloc,
and this module frees them. An empty request goes to `process` with size 0, as the vendor's own
processors expect, so their `get_serving_model_info` is not called.
"""

import ctypes
import os
import re
from typing import Any, Callable, List, Union

from eas_processor.worker.elf import check_shared_object
from eas_processor.worker.errors import HooksError, OwnStatus, own_answer

_MAX_SIZE = 2**31 - 1
_LINE_BUFFERED = 1

# Slicing such a pointer copies the bytes once: a call takes 0.75 us, and 1.0 with `string_at`.
_Chars: Any = ctypes.POINTER(ctypes.c_char)
_Int = ctypes.c_int
_byref = ctypes.byref
# The global `free` belongs to the preloaded allocator, if there is one. It is called with the GIL,
# because releasing and taking the GIL costs more than the call.
_free: Any = ctypes.PyDLL(None).free

# The symbols that a C++ compiler writes for these functions without extern "C".
_MANGLED = {"initialize": "_Z10initializePKcS0_Pi", "process": "_Z7processPvPKviPS_Pi"}

# Libraries may keep pointers to these strings, so they live as long as the process.
_kept: List[bytes] = []

_ADVICE = (
    ("undefined symbol", "link it with the library that defines this symbol"),
    ("cannot open shared object file", "put that library beside it, or install it"),
    (r"version .* not found", "it was built for a newer system than this one"),
)


class OutputFault(Exception):
    """A call returned an output with an impossible address or size."""

    code = "INTERNAL"


class SharedObject:
    """
    A loaded shared object, with its hooks as attributes.

    `library` must export `initialize` and `process`. `name` is for messages.
    """

    def __init__(self, library: Any, name: str) -> None:
        self._library = library
        self._name = name
        self.process = _make_process(library.process, name)
        if hasattr(library, "batch_process"):
            self.batch_process = _make_batch_process(library.batch_process, self.process, name)

    def initialize(self, model_entry: str, model_config: str) -> ctypes.c_void_p:
        """Call `initialize`, and return its handle, which may be NULL. Raises HooksError."""
        call = self._library.initialize
        call.restype = ctypes.c_void_p
        entry, config = os.fsencode(model_entry), model_config.encode()
        if b"\0" in config:
            raise HooksError(
                f"model_config has a NUL character, which cannot be passed to {self._name}"
            )
        _kept.extend((entry, config))
        state = _Int()
        model = call(entry, config, _byref(state))
        if state.value:
            raise HooksError(
                f"{self._name} refused the model {model_entry}: `initialize` set state "
                f"{state.value}; its output is in the log"
            )
        return ctypes.c_void_p(model)


def load(path: str) -> SharedObject:
    """Load the shared object at `path`. Raises HooksError."""
    check_shared_object(path)
    program = ctypes.CDLL(None)
    # Standard output is not a terminal, so C code would buffer 4 KB of it, and lose that in a
    # crash.
    program.setvbuf(ctypes.c_void_p.in_dll(program, "stdout"), None, _LINE_BUFFERED, 0)
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise HooksError(_why_not_loaded(path, str(error))) from error
    # Each forked worker would print the buffered output again.
    program.fflush(None)
    for name in ("initialize", "process"):
        if not hasattr(library, name):
            raise HooksError(f"the processor {path} exports no `{name}`{_instead(library, name)}")
    return SharedObject(library, os.path.basename(path))


def _why_not_loaded(path: str, error: str) -> str:
    advice = [text for pattern, text in _ADVICE if re.search(pattern, error)]
    if error.startswith(f"{path}: "):
        error = error[len(path) + 2 :]
    return "; ".join([f"the processor {path} cannot be loaded: {error}", *advice])


def _instead(library: Any, name: str) -> str:
    """Return a hint if the library exports something else in place of `name`."""
    if hasattr(library, _MANGLED[name]):
        return ' but a C++ function of that name: declare it extern "C"'
    if name == "process" and hasattr(library, "async_process"):
        return " but `async_process`, which is not supported: export `process` as well"
    return ""


def _make_process(call: Any, name: str) -> Callable[[Any, Any], bytes]:
    """Return the hook `process` for the exported function `call`."""

    def process(model: Any, request: Any) -> bytes:
        given = request if type(request) is bytes else ctypes.c_char_p(_place(request, name))
        output, output_size = _Chars(), _Int()
        status = call(model, given, len(request), _byref(output), _byref(output_size))
        try:
            size: int = output_size.value
            if status == 200 and output and size >= 0:
                answer: bytes = output[:size]  # the usual case, in half the time of `own_answer`
                return answer
            return own_answer(status, _bytes(output, size, status, name))
        finally:
            _free(output)

    return process


def _make_batch_process(
    call: Any, process: Callable[[Any, Any], bytes], name: str
) -> Callable[[Any, List[Any]], List[Any]]:
    """Return the hook `batch_process`; if the batch fails, it calls `process` for each request."""

    def one(model: Any, request: Any) -> Any:
        try:
            return process(model, request)
        except (OutputFault, OwnStatus) as error:
            return error

    def batch_process(model: Any, requests: List[Any]) -> List[Any]:
        count = len(requests)
        places: Any = [each if type(each) is bytes else _place(each, name) for each in requests]
        # The arrays end with a NULL.
        inputs = (ctypes.c_char_p * (count + 1))(*places)
        sizes = (_Int * (count + 1))(*map(len, requests))
        outputs, output_sizes = (_Chars * (count + 1))(), (_Int * (count + 1))()
        status = call(model, inputs, sizes, outputs, output_sizes)
        try:
            if status in (0, 200):
                return [_outcome(outputs[i], output_sizes[i], status, name) for i in range(count)]
        finally:
            for each in outputs:
                _free(each)
        return [one(model, each) for each in requests]

    return batch_process


def _place(request: Any, name: str) -> Union[bytes, int]:
    """Return the address of a writable buffer, or a copy of any other. Raises OwnStatus."""
    if len(request) > _MAX_SIZE:
        said = f"the request has {len(request)} bytes; {name} takes at most {_MAX_SIZE}"
        raise OwnStatus(413, said.encode())
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(request))
    except (TypeError, ValueError):
        return bytes(request)


def _outcome(output: Any, size: int, status: int, name: str) -> Any:
    try:
        return _bytes(output, size, status, name)
    except OutputFault as error:
        return error


def _bytes(output: Any, size: int, status: int, name: str) -> bytes:
    """Return a copy of the output. Raises OutputFault."""
    if output and size >= 0:
        body: bytes = output[:size]
        return body
    if status in (0, 200) and size:
        where = "" if output else " at NULL"
        raise OutputFault(f"{name} returned an output of {size} bytes{where}")
    return b"" if status in (0, 200) else f"{name} answered {status}".encode()
