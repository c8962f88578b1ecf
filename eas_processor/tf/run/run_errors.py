"""What TensorFlow says when a run fails, as this processor's errors."""

import codecs
import re
import sys
from typing import Any, Tuple

from eas_processor.tf.errors import ModelRefusal, ProcessorError, RunError
from eas_processor.tf.runtime import tf
from eas_wire.text import cut

# The values of a request lead to these; every other code is about the model or the machine.
_REFUSALS = (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError)

# What `tf.saved_model.save` makes of a Keras 3 model inside a `tf.Module`: its functions use other
# variables than those that are restored.
_UNSAVED = " (a Keras 3 model is written for serving by `model.export(path)`)"

# Node names and where they were made are of no use to whoever sent the request.
_ROOT = re.compile(r"^\d+ root error\(s\) found\.\s*\(0\) [\w ]+: ")
_NODE = re.compile(r"\{\{(function_)?node [^}]*\}\}\s*")
_TAIL = re.compile(r"(\[\[\{?\{?(function_)?node |Original stack trace|\(1\) [\w ]+: ).*", re.S)

# A sentence can quote a value of the request, of any length.
_READ, _SHOWN = 4000, 1000

# The binding of these versions crashes where a sentence is not UTF-8: it drops a reference to the
# arguments of the exception, which Python could not make.
_CRASHES_BEFORE, _BINDING = (2, 2), "python/client/session.py"


def _decode_strictly(error: UnicodeError) -> Tuple[str, int]:
    """Refuse what is not UTF-8, but for the sentences that TensorFlow's binding turns into text."""
    caller = sys._getframe(1).f_code.co_filename
    if isinstance(error, UnicodeDecodeError) and caller.endswith(_BINDING):
        shown = "".join("\\x%02x" % byte for byte in error.object[error.start : error.end])
        return shown, error.end
    raise error


if tuple(map(int, tf.__version__.split(".")[:2])) < _CRASHES_BEFORE:
    codecs.register_error("strict", _decode_strictly)


def translate(error: Any) -> ProcessorError:
    """Return the error to raise for a `tf.errors.OpError`."""
    sentence = clean(error.message)
    if isinstance(error, _REFUSALS):
        return ModelRefusal(f"the model refused the request: {sentence}")
    hint = _UNSAVED if "Could not find variable" in sentence else ""
    return RunError(f"the run failed: {type(error).__name__}: {sentence}{hint}")


def translate_unreadable(error: UnicodeDecodeError) -> ProcessorError:
    """
    Return the error to raise where TensorFlow's own sentence is not UTF-8.

    It quotes a value of the request then, as that of `StringToNumber` does.
    """
    message = error.object[:_READ].decode("utf-8", "backslashreplace")
    return ModelRefusal(f"the model refused the request: {clean(message)}")


def clean(message: str) -> str:
    """Return TensorFlow's sentence without node names and stack traces, cut where it is long."""
    # Before TensorFlow 1.13, bytes that are not UTF-8 come as surrogates, which cannot be sent.
    message = message[:_READ].encode("utf-8", "backslashreplace").decode()
    message = _TAIL.sub("", _ROOT.sub("", message))
    return cut(" ".join(_NODE.sub("", message).split()), _SHOWN)
