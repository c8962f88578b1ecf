"""Run TensorFlow's profiler in this process on demand, without its server, and leave no file."""

import os
import tempfile
from typing import Any, Callable, Dict, Iterator, Tuple

from eas_processor.tf.errors import ProcessorError
from eas_wire.fields import LENGTH, fields, tag_of

_PLANES = tag_of(1, LENGTH)
_LINES = tag_of(3, LENGTH)
_EVENTS = tag_of(4, LENGTH)


class NoProfilerError(ProcessorError):
    """This TensorFlow has no profiler that can be started on demand."""

    code = "UNIMPLEMENTED"


def take_profile(_model: Any, levels: Dict[str, int], wait: Callable[[], Any]) -> bytes:
    """
    Profile TensorFlow while `wait` runs; return a serialized `XSpace`, or b"" without events.

    `levels` are `host_tracer_level` and `device_tracer_level`, as in `ProfileOptions`. Raises
    NoProfilerError.
    """
    session = _session()
    # Only `export_to_tb` produces an XSpace, and it writes a file. `stop` returns another format.
    with tempfile.TemporaryDirectory(prefix="profile") as directory:
        session.start(directory, dict(levels))
        wait()
        session.export_to_tb()
        collected = _read(directory)
    return collected if has_events(collected) else b""


def _read(directory: str) -> bytes:
    for path, _, names in os.walk(directory):
        for name in names:
            if name.endswith(".xplane.pb"):
                with open(os.path.join(path, name), "rb") as file:
                    return file.read()
    return b""


def _session() -> Any:
    try:
        from tensorflow.python.profiler.internal._pywrap_profiler import ProfilerSession
    except ImportError:
        from eas_processor.tf.runtime import tf

        raise NoProfilerError(
            f"TensorFlow {tf.__version__} has no profiler that can be started on demand; use a "
            "processor with TensorFlow 2.3 or newer"
        ) from None
    return ProfilerSession()


def has_events(space: bytes) -> bool:
    """Return whether any line of any plane in a serialized `XSpace` has an event."""
    view = memoryview(space)
    return any(
        tag == _EVENTS
        for plane in _each(view, 0, len(view), _PLANES)
        for line in _each(view, *plane, _LINES)
        for tag, _, _ in fields(view, *line)
    )


def _each(view: memoryview, begin: int, end: int, wanted: int) -> Iterator[Tuple[int, int]]:
    return ((start, stop) for tag, start, stop in fields(view, begin, end) if tag == wanted)
