"""
Interpreters of one model of TensorFlow Lite: as many as there are runs at a time.

An interpreter is for one thread, and keeps the sizes of its inputs until they change.
"""

import inspect
import warnings
from typing import Any, Dict, List, Sequence, Tuple

from eas_processor.tf.errors import ModelError
from eas_processor.tf.lite.file import LiteFile
from eas_processor.tf.run.run_errors import clean
from eas_processor.tf.runtime import tf

FAILURES = (RuntimeError, ValueError)
"""What an interpreter raises, with a sentence from C++, or where values do not fit a tensor."""


class Interpreters:
    """
    Runs the model of `file`, each time with `threads` threads (0: as many as the library likes).

    Making one raises `ModelError` where the library is missing or cannot prepare the model. Safe to
    use from several threads.
    """

    def __init__(self, file: LiteFile, threads: int) -> None:
        self._content = file.content
        self._options = _options(file.path, threads)
        try:
            first = self._make()
        except FAILURES as error:
            raise ModelError(f"cannot load the model at {file.path}: {clean(str(error))}") from None
        self.inputs = _numbers(first.inputs)
        """Of the tensors that can be fed, by name."""
        self.outputs = _numbers(first.outputs)
        self._idle = [first]

    def run(self, feeds: Sequence[int], fetches: Sequence[int], arrays: Sequence[Any]) -> List[Any]:
        """Return the values of the tensors `fetches`; raises one of `FAILURES`."""
        try:
            interpreter = self._idle.pop()
        except IndexError:
            interpreter = self._make()
        values = interpreter.run(feeds, fetches, arrays)
        # One that has failed is not used again: its tensors may be of no size at all.
        self._idle.append(interpreter)
        return values

    def _make(self) -> "_Interpreter":
        with warnings.catch_warnings():
            # From 2.20 on TensorFlow advises programs to use another package, which no build has.
            warnings.simplefilter("ignore")
            interpreter = tf.lite.Interpreter(model_content=self._content, **self._options)
        interpreter.allocate_tensors()
        return _Interpreter(interpreter)


class _Interpreter:
    """One interpreter, with the shapes that its inputs have now."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self.inputs = interpreter.get_input_details()
        self.outputs = interpreter.get_output_details()
        self._shapes: Dict[int, Tuple[int, ...]] = {
            each["index"]: tuple(each["shape"]) for each in self.inputs
        }

    def run(self, feeds: Sequence[int], fetches: Sequence[int], arrays: Sequence[Any]) -> List[Any]:
        interpreter = self._interpreter
        resized = False
        for number, array in zip(feeds, arrays):
            if self._shapes[number] != array.shape:
                interpreter.resize_tensor_input(number, array.shape)
                self._shapes[number] = array.shape
                resized = True
        if resized:
            interpreter.allocate_tensors()
        for number, array in zip(feeds, arrays):
            interpreter.set_tensor(number, array)
        interpreter.invoke()
        return [interpreter.get_tensor(number) for number in fetches]


def _options(path: str, threads: int) -> Dict[str, int]:
    made = getattr(getattr(tf, "lite", None), "Interpreter", None)
    if made is None:
        raise ModelError(
            f"cannot load the model at {path}: TensorFlow {tf.__version__} of this build cannot run"
            " models of TensorFlow Lite; choose tensorflow_cpu_2.21, or have a SavedModel served"
        )
    takes_threads = "num_threads" in inspect.signature(made.__init__).parameters
    return {"num_threads": threads} if threads and takes_threads else {}


def _numbers(details: Sequence[Dict[str, Any]]) -> Dict[str, int]:
    return {each["name"]: each["index"] for each in details}
