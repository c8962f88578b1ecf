"""Turn a plain function of arrays into the hooks that a worker calls."""

from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple, Union

import numpy as np

from eas_processor.hooks.dtypes import as_array
from eas_processor.hooks.errors import OutputError
from eas_processor.hooks.signature import Arrays, Asked, Declared, Signature
from eas_processor.link.frames import ARRAY_PROTO

Function = Callable[..., Any]


def arrays(
    inputs: Declared, outputs: Declared, by_row: bool = False
) -> Callable[[Function], "Hook"]:
    """
    Decorate a function as the hook `process`.

    The function is called with the model and one array for each input, as a keyword argument. It
    returns a dict of arrays by output name, or the array itself if there is one output. `inputs`
    and `outputs` make the `Signature` that checks requests and answers empty ones. With `by_row`,
    requests may be joined in one run: each row of the outputs must depend only on the same row of
    the inputs. Raises TypeError for a declaration that is not `(dtype, shape)`.
    """
    signature = Signature(inputs, outputs)
    return lambda function: Hook(function, signature, by_row)


class Hook:
    """The hooks of a function of arrays: `process` when called, and optional ones."""

    TAKES_CODECS = True

    def __init__(self, function: Function, signature: Signature, by_row: bool) -> None:
        self.signature = signature
        self._function = function
        self.__doc__ = function.__doc__
        if by_row:
            self.batch_process = self._batch_process

    def __call__(self, model: Any, request: Any, codec: int = ARRAY_PROTO) -> bytes:
        """Answer one request body, whose encoding is number `codec`."""
        given, asked = self.signature.decode(request, codec)
        return self.signature.encode(self._run(model, given), asked)

    def get_serving_model_info(self, model: Any) -> bytes:
        """Return the answer to an empty request: the signature as JSON."""
        return self.signature.to_json()

    def _run(self, model: Any, given: Arrays) -> Mapping[str, Any]:
        result = self._function(model, **given)
        if isinstance(result, Mapping):
            return result
        if len(self.signature.outputs) != 1:
            raise OutputError(
                f"the processor returned {type(result).__name__}, expected a dict of its "
                f"{len(self.signature.outputs)} outputs"
            )
        return dict.fromkeys(self.signature.outputs, result)

    def _batch_process(
        self, model: Any, requests: Sequence[Any], codecs: Sequence[int] = ()
    ) -> List[Union[bytes, Exception]]:
        """Answer several requests, with one run for all whose rows can be joined."""
        answers: List[Any] = [None] * len(requests)
        joined: Dict[Any, List[Tuple[int, Arrays, Asked]]] = {}
        for place, request in enumerate(requests):
            try:
                given, asked = self.signature.decode(request, codecs[place] if codecs else 0)
            except Exception as error:
                answers[place] = error
            else:
                joined.setdefault(_likeness(place, given), []).append((place, given, asked))
        for group in joined.values():
            self._run_group(model, group, answers)
        return answers

    def _run_group(
        self, model: Any, group: List[Tuple[int, Arrays, Asked]], answers: List[Any]
    ) -> None:
        if len(group) > 1 and self._run_joined(model, group, answers):
            return
        for place, given, asked in group:
            try:
                answers[place] = self.signature.encode(self._run(model, given), asked)
            except Exception as error:
                answers[place] = error

    def _run_joined(
        self, model: Any, group: List[Tuple[int, Arrays, Asked]], answers: List[Any]
    ) -> bool:
        """Answer a group with one run. Return False if that fails: each must then run alone."""
        names = group[0][1]
        together = {name: np.concatenate([given[name] for _, given, _ in group]) for name in names}
        counts = [len(next(iter(given.values()))) for _, given, _ in group]
        try:
            results = {name: as_array(each) for name, each in self._run(model, together).items()}
            if any(each.ndim == 0 or len(each) != sum(counts) for each in results.values()):
                return False
            start, found = 0, []
            for count, (_, _, asked) in zip(counts, group):
                part = {name: each[start : start + count] for name, each in results.items()}
                found.append(self.signature.encode(part, asked))
                start += count
        except Exception:
            return False
        for answer, (place, _, _) in zip(found, group):
            answers[place] = answer
        return True


def _likeness(place: int, given: Arrays) -> Any:
    """Return a key that is equal for requests whose rows can be joined, else unique."""
    if not given or any(each.ndim == 0 for each in given.values()):
        return place
    if len({len(each) for each in given.values()}) > 1:
        return place
    return tuple(sorted((name, each.shape[1:]) for name, each in given.items()))
