"""Convert TensorFlow's errors of runs to this processor's errors."""

import codecs
import re
import sys
from typing import Any, Tuple

from eas_processor.tf.errors import ModelRefusal, ProcessorError, RunError
from eas_processor.tf.runtime import tf
from eas_wire.text import cut

# The error of a `py_function`, whose function is never in this process. The scan of the graph
# (`model.unable`) does not look at branches, which may never run, nor at ops that run at load.
PYTHON = re.compile(r"(\w+: )?(callback \S{1,99} is not found|Could not find callback)")
CALLS_PYTHON = (
    "calls a Python function, which is not in its file; write that step with TensorFlow's own ops "
    "and export the model again"
)

# Advice for errors that are the model's fault, by a pattern of the message.
_HINTS = (
    # If `tf.saved_model.save` saves a Keras 3 model inside a `tf.Module`, its functions use other
    # variables than those that are restored.
    ("Could not find variable", "a Keras 3 model is written for serving by `model.export(path)`"),
    (
        "only supports NHWC|only supports the NHWC|only support NHWC",
        "the model is laid out for GPUs: export it with channels last, or choose "
        "tensorflow_cpu_2.21 or a GPU processor",
    ),
    (
        "Table not initialized|[Tt]able .*not been initialized",
        "export the model with an op that fills its tables, as `main_op` or `legacy_init_op`",
    ),
    (
        "uninitialized value",
        "the variable was not saved with the model: export it from a session that has restored it",
    ),
)

# Node names and stack traces do not help clients.
_ROOT = re.compile(r"^\d+ root error\(s\) found\.\s*\(0\) [\w ]+: ")
_NODE = re.compile(r"\{\{(function_)?node [^}]*\}\}\s*")
_TAIL = re.compile(
    r"(\[\[\{?\{?(function_)?node |\n\s*\[\[[\w./<>-]+\]\]|Original stack trace|\(1\) [\w ]+: "
    r"|Caused by op |Errors may have|Traceback \(most recent|=== Source Location Trace).*",
    re.DOTALL,
)

# TensorFlow may put this before its message: a guess that is mostly wrong, or a stack trace.
_GUESS, _AFTER_GUESS = "Restoring from checkpoint failed", "Original error:"
_MADE, _AFTER_MADE = "Detected at node", "\nNode: '"
_UNFED = re.compile(r"You must feed a value for placeholder tensor '([^']{1,1000})'")
_TRACEBACK = "Traceback (most recent call last):"

# Paths of the server, which clients must not see. A slash after a letter (`rows/s`) or in a URL is
# not a path, and neither is a device (`/job:localhost/...`).
_FILE_FAULTS = "No such file|Permission denied|Is a directory|Not a directory|Operation not|Input/"
_PATH = re.compile(
    r"(?P<quote>['\"])/[^'\"]+(?P=quote)"
    rf"|(?<![\w./-])/[^;]+(?=; (?:{_FILE_FAULTS}))"
    r"|(?<![\w./-])/(?!(?:job|replica|task|device|[cg]pu):)[\w.@+~%-]+(?:/[\w.@+~%-]*)*",
    re.IGNORECASE,
)
_HIDDEN = "<a path>"

# The most characters that are read and shown, because a message may quote a value of any length.
_READ, _SHOWN = 4000, 1000

# The Python binding of older versions crashes if a message is not UTF-8: it drops a reference to
# the arguments of the exception, which Python could not create.
_CRASHES_BEFORE, _BINDING = (2, 2), "python/client/session.py"


def _decode_strictly(error: UnicodeError) -> Tuple[str, int]:
    """Raise errors as "strict" does, but escape bytes for TensorFlow's Python binding."""
    caller = sys._getframe(1).f_code.co_filename
    if isinstance(error, UnicodeDecodeError) and caller.endswith(_BINDING):
        shown = "".join("\\x%02x" % byte for byte in error.object[error.start : error.end])
        return shown, error.end
    raise error


if tuple(map(int, tf.__version__.split(".")[:2])) < _CRASHES_BEFORE:
    codecs.register_error("strict", _decode_strictly)


def translate(error: Any, is_request_fault: bool) -> ProcessorError:
    """Convert a `tf.errors.OpError` of a run; `is_request_fault` tells whose fault it is."""
    sentence = clean_for_clients(error.message)
    if PYTHON.match(sentence):
        return RunError(f"the model {CALLS_PYTHON}")
    if is_request_fault:
        return ModelRefusal(f"the model refused the request: {sentence}")
    return RunError(f"the run failed: {type(error).__name__}: {sentence}{_hint(sentence)}")


def translate_unprepared(error: Any) -> ProcessorError:
    """Convert an error that TensorFlow raises when it prepares a callable, before any request."""
    sentence = clean_for_clients(error.message)
    return RunError(f"the model cannot run: {sentence}{_hint(sentence)}")


def _hint(sentence: str) -> str:
    return next((f" ({hint})" for sign, hint in _HINTS if re.search(sign, sentence)), "")


def placeholder_of(message: str) -> str:
    """Return the placeholder that was not fed, according to TensorFlow's message, or ""."""
    found = _UNFED.match(message)
    return found.group(1) if found else ""


def translate_unreadable(error: UnicodeDecodeError) -> ProcessorError:
    """
    Convert an error whose message is not UTF-8.

    Such a message quotes a value of the request, as that of `StringToNumber` does.
    """
    message = error.object[:_READ].decode("utf-8", "backslashreplace")
    return ModelRefusal(f"the model refused the request: {clean_for_clients(message)}")


def clean_for_clients(message: str) -> str:
    """Clean a message as `clean` does, and hide the server's paths."""
    return cut(_PATH.sub(_HIDDEN, clean(message)), _SHOWN)


def clean(message: str) -> str:
    """Return TensorFlow's message without node names and stack traces, cut if it is long."""
    message = _without_prefaces(message)
    # Before TensorFlow 1.13, invalid UTF-8 appears as surrogates, which cannot be encoded.
    message = message[:_READ].encode("utf-8", "backslashreplace").decode()
    message = _ROOT.sub("", message.strip())
    if message.startswith(_TRACEBACK):
        message = message.rstrip().rsplit("\n", 1)[-1]
    message = _TAIL.sub("", message)
    return cut(" ".join(_NODE.sub("", message).split()), _SHOWN)


def _without_prefaces(message: str) -> str:
    if message.startswith(_GUESS):
        message = message.partition(_AFTER_GUESS)[2]
    made = message.find(_MADE, 0, _READ)
    node = message.find(_AFTER_MADE, made) if made >= 0 else -1
    return message.partition(_AFTER_MADE)[2].partition("\n")[2] if node >= 0 else message
