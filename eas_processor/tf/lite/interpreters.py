"""
The interpreters of one TensorFlow Lite model, one for each concurrent run.

An interpreter serves one thread at a time, and keeps the shapes of its inputs between runs.
"""

import inspect
import warnings
from typing import Any, Dict, List, Sequence, Tuple

from eas_processor.tf.errors import ModelError
from eas_processor.tf.lite.file import LiteFile
from eas_processor.tf.run.run_errors import clean
from eas_processor.tf.runtime import tf

FAILURES = (RuntimeError, ValueError)
"""The exceptions of an interpreter, from C++ code, or for values that do not fit a tensor."""


class Interpreters:
    """
    Runs the model of `file`, with `threads` threads in each run (0: the library chooses).

    It is safe to use from several threads. Raises ModelError if the library is missing, or cannot
    prepare the model.
    """

    def __init__(self, file: LiteFile, threads: int) -> None:
        self._content = file.content
        self._options = _options(file.path, threads)
        try:
            first = self._make()
        except FAILURES as error:
            raise ModelError(f"cannot load the model at {file.path}: {clean(str(error))}") from None
        self.inputs = _numbers(first.inputs)
        """The numbers of input tensors, by name; `outputs` has those of output tensors."""
        self.outputs = _numbers(first.outputs)
        self._idle = [first]

    def run(self, feeds: Sequence[int], fetches: Sequence[int], arrays: Sequence[Any]) -> List[Any]:
        """
        Feed arrays to the tensors with the numbers `feeds`, and return the values of `fetches`.

        Raises one of `FAILURES`.
        """
        try:
            interpreter = self._idle.pop()
        except IndexError:
            interpreter = self._make()
        values = interpreter.run(feeds, fetches, arrays)
        # An interpreter that has failed is not used again, because its tensors may have no memory.
        self._idle.append(interpreter)
        return values

    def _make(self) -> "_Interpreter":
        with warnings.catch_warnings():
            # TensorFlow 2.20 and newer recommend another package, which no build has.
            warnings.simplefilter("ignore")
            interpreter = tf.lite.Interpreter(model_content=self._content, **self._options)
        interpreter.allocate_tensors()
        return _Interpreter(interpreter)


class _Interpreter:
    """One interpreter, with the present shapes of its inputs."""

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
            " TensorFlow Lite models; choose tensorflow_cpu_2.21, or export a SavedModel"
        )
    takes_threads = "num_threads" in inspect.signature(made.__init__).parameters
    return {"num_threads": threads} if threads and takes_threads else {}


def _numbers(details: Sequence[Dict[str, Any]]) -> Dict[str, int]:
    return {each["name"]: each["index"] for each in details}
