"""
The vendor's module for processors in Python, as far as its documentation tells of it.

    class MyProcessor(allspark.BaseProcessor):
        def initialize(self): ...               once in each worker
        def process(self, data): ...            returns (bytes, status)

    MyProcessor(worker_threads=10).run()

In a worker `run` says which instance serves. In a script it starts the engine in front of it.
"""

import json
import logging
import os
import sys
from typing import Any, Dict, List, NoReturn, Optional

log = logging.getLogger("allspark")

# Outside of workers only this file is there: nothing of this project can be imported.
PROBE = "EAS_ALLSPARK_PROBE"
"""The number of a descriptor: who runs the script wants to know what it asks for, no more."""

ENGINE_FILE = "engine"
"""Beside this file, where `eascmd processor path` has written it: the engine's interpreter."""

_KEEPALIVE = "rpc.keepalive"

served: "List[BaseProcessor]" = []
"""The instances whose `run` was called in a worker's launcher."""

in_worker = False
"""Set by the launcher of a worker."""

_model: Dict[str, str] = {}


class Served(SystemExit):
    """Leaves the script at `run`, which does not return at the vendor's either."""


class Properties:
    """Settings by name, such as `rpc.keepalive` in milliseconds."""

    def __init__(self) -> None:
        self._values: Dict[str, Any] = {}

    def put(self, name: str, value: Any) -> None:
        """Set a property."""
        self._values[str(name)] = value

    def get(self, name: str, default: Any = None) -> Any:
        """Return a property, `default` where it is not set."""
        return self._values.get(str(name), default)

    def __repr__(self) -> str:
        return repr(self._values)


_properties = Properties()


def default_properties() -> Properties:
    """Return the properties of this process."""
    return _properties


def get_model_path() -> str:
    """Return where the model is, from `initialize` on."""
    if "path" not in _model:
        raise RuntimeError("get_model_path() is known from initialize() on")
    return _model["path"]


def set_model_path(path: str) -> None:
    """Note where the model is: the worker calls it."""
    _model["path"] = path


class BaseProcessor:
    """
    What a processor derives from.

    `worker_threads` call `process` at a time, in each of `worker_processes`. `endpoint` is where a
    script listens. As a service, the service file's `metadata` decides instead.
    """

    # For a class whose own `__init__` does not call this one's.
    worker_threads: Optional[int] = None
    worker_processes: Optional[int] = None
    io_threads: Optional[int] = None
    endpoint: Optional[str] = None

    def __init__(
        self,
        worker_threads: Optional[int] = None,
        worker_processes: Optional[int] = None,
        io_threads: Optional[int] = None,
        endpoint: Optional[str] = None,
        **others: Any,
    ) -> None:
        self.worker_threads = worker_threads
        self.worker_processes = worker_processes
        self.io_threads = io_threads
        self.endpoint = endpoint
        if others:
            log.warning("not known here, and ignored: %s", ", ".join(sorted(others)))

    def initialize(self) -> None:
        """Load the model; called once in each worker."""

    def process(self, data: bytes) -> Any:
        """Return the answer to a request body, and its status: 0 and 200 are success."""
        raise NotImplementedError("process(self, data)")

    def get_model_path(self) -> str:
        """Return where the model is, from `initialize` on."""
        return get_model_path()

    def run(self) -> NoReturn:
        """Serve with this instance; nothing that comes after it is run."""
        if in_worker:
            served.append(self)
        elif PROBE in os.environ:
            with os.fdopen(int(os.environ[PROBE]), "w") as pipe:
                json.dump(asked(self), pipe)
        else:
            _become_engine(asked(self))
        raise Served(0)


def asked(processor: BaseProcessor) -> Dict[str, str]:
    """Return what a processor and the properties ask for, as JSON can hold it; no defaults."""
    wishes = {
        "worker_threads": processor.worker_threads,
        "worker_processes": processor.worker_processes,
        "endpoint": processor.endpoint,
        _KEEPALIVE: _properties.get(_KEEPALIVE),
    }
    return {name: str(value) for name, value in wishes.items() if value is not None}


def _become_engine(wishes: Dict[str, str]) -> NoReturn:
    """Go on as the engine, which runs this script in its workers."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None:
        raise RuntimeError("allspark: run() serves a file; this is an interactive session")
    python = _engine_python()
    command = [python, "-P", "-m", "eas_processor.cli", "processor", "run", os.path.abspath(script)]
    command += ["--python", sys.executable, "--asked", json.dumps(wishes), "--args"]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(python, command + sys.argv[1:])  # noqa: S606 - this program goes on as `eascmd`


def _engine_python() -> str:
    note = os.path.join(os.path.dirname(os.path.abspath(__file__)), ENGINE_FILE)
    if os.path.exists(note):
        with open(note) as file:
            return file.read().strip()
    if sys.version_info >= (3, 11):
        return sys.executable
    raise RuntimeError(
        "allspark: the engine needs another Python than this one; start the script with "
        "PYTHONPATH=$(eascmd processor path)"
    )
