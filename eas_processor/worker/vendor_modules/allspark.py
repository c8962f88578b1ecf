"""
A replacement for the vendor's module `allspark`, with the interface that its docs describe.

    class MyProcessor(allspark.BaseProcessor):
        def initialize(self): ...               called once in each worker
        def process(self, data): ...            returns (bytes, status)

    MyProcessor(worker_threads=10).run()

In a worker, `run` marks the instance that serves. In a script, `run` starts the engine, which then
runs the script in its workers.
"""

import json
import logging
import os
import sys
from typing import Any, Dict, List, NoReturn, Optional

log = logging.getLogger("allspark")

# Outside of workers only this file is available, so it imports nothing of this project.
PROBE = "EAS_ALLSPARK_PROBE"
"""An environment variable: `run` writes the script's settings to this descriptor, and ends."""

ENGINE_FILE = "engine"
"""The file beside this one in which `eascmd processor path` stores the engine's interpreter."""

_KEEPALIVE = "rpc.keepalive"

served: "List[BaseProcessor]" = []
"""The instances whose `run` was called in a launcher."""

in_worker = False
"""Whether this is a launcher or a worker."""

_model: Dict[str, str] = {}


class Served(SystemExit):
    """Ends the script in `run`, which does not return in the vendor's module either."""


class Properties:
    """Settings by name, such as `rpc.keepalive` in milliseconds."""

    def __init__(self) -> None:
        self._values: Dict[str, Any] = {}

    def put(self, name: str, value: Any) -> None:
        """Set a property."""
        self._values[str(name)] = value

    def get(self, name: str, default: Any = None) -> Any:
        """Return a property, or `default` if it is not set."""
        return self._values.get(str(name), default)

    def __repr__(self) -> str:
        return repr(self._values)


_properties = Properties()


def default_properties() -> Properties:
    """Return the properties of this process."""
    return _properties


def get_model_path() -> str:
    """Return the path of the model. Raises RuntimeError before `initialize` is called."""
    if "path" not in _model:
        raise RuntimeError(
            "get_model_path() was called too early: call it in initialize() or later"
        )
    return _model["path"]


def set_model_path(path: str) -> None:
    """Set the path of the model; the worker calls this before `initialize`."""
    _model["path"] = path


class BaseProcessor:
    """
    The base class of processors.

    Each of `worker_processes` workers calls `process` in `worker_threads` threads at once.
    `endpoint` is the address on which a script listens. In a service, `metadata` of the service
    file decides instead. `io_threads` has no effect.
    """

    # Defaults for a subclass whose `__init__` does not call this one.
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
            log.warning("unknown arguments are ignored: %s", ", ".join(sorted(others)))

    def initialize(self) -> None:
        """Load the model; called once in each worker."""

    def process(self, data: bytes) -> Any:
        """Return the answer to a request body, and its status, where 0 and 200 mean success."""
        raise NotImplementedError("process(self, data)")

    def get_model_path(self) -> str:
        """Return the path of the model. Raises RuntimeError before `initialize` is called."""
        return get_model_path()

    def run(self) -> NoReturn:
        """Serve with this instance. The statements after the call do not run."""
        if in_worker:
            served.append(self)
        elif PROBE in os.environ:
            with os.fdopen(int(os.environ[PROBE]), "w") as pipe:
                json.dump(asked(self), pipe)
        else:
            _become_engine(asked(self))
        raise Served(0)


def asked(processor: BaseProcessor) -> Dict[str, str]:
    """Return the settings of a processor and the properties as text, without unset ones."""
    wishes = {
        "worker_threads": processor.worker_threads,
        "worker_processes": processor.worker_processes,
        "endpoint": processor.endpoint,
        _KEEPALIVE: _properties.get(_KEEPALIVE),
    }
    return {name: str(value) for name, value in wishes.items() if value is not None}


def _become_engine(wishes: Dict[str, str]) -> NoReturn:
    """Replace this process by an engine that runs the script in its workers."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None:
        raise RuntimeError("allspark: run() works in a script file, not in an interactive session")
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
        f"allspark: the engine needs Python 3.11 or newer, and this is {sys.version.split()[0]}; "
        "start the script with PYTHONPATH=$(eascmd processor path)"
    )
