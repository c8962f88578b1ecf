"""Script mode: a Python file of a processor is the only service of an engine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eas_processor.app.hosting import Identity
from eas_processor.builds.worker_code import worker_code_directory
from eas_processor.contracts.settings import ServiceSettings, WorkerSettings
from eas_processor.errors import StartError
from eas_processor.serving.tokens import Tokens
from eas_processor.worker.python_file import ARGUMENTS, MODULES

_HOST, _PORT = "127.0.0.1", 8080
_THREADS, _INSTANCES, _KEEPALIVE_MS = 5, 1, 5000


@dataclass(frozen=True)
class Script:
    """
    A Python file of a processor as a `hosting.Source`. The interpreter `python` runs it in place.

    `asked` has the arguments and properties of its `BaseProcessor`, by name, as text. `arguments`
    are its arguments on the command line.
    """

    path: Path
    python: Path
    model: Path
    asked: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    unchangeable: str = "a script is read again when it is started again"

    @property
    def label(self) -> str:
        return str(self.path)

    def endpoint(self) -> tuple[str, int]:
        """Return the host and port that the script asks for, by default 127.0.0.1 and 8080."""
        asked = self.asked.get("endpoint")
        if asked is None:
            return _HOST, _PORT
        host, _, port = asked.rpartition(":")
        if not port.isdigit() or int(port) > 65535:
            raise StartError(f"{self.path}: endpoint: expected HOST:PORT, got {asked!r}")
        return host or "0.0.0.0", int(port)  # noqa: S104 - as the vendor's class

    def identify(self) -> Identity:
        return Identity(self.path.stem, Tokens(""))

    def read(self) -> ServiceSettings:
        directory = Path.cwd()
        # Unlike a service, a script gets the whole environment, and arguments.
        environment = dict(os.environ) | {
            ARGUMENTS: json.dumps(list(self.arguments)),
            MODULES: os.environ.get("PYTHONPATH", ""),
        }
        worker = WorkerSettings(
            build=f"python processor {self.path.name}",
            python=self.python,
            code=worker_code_directory(),
            hooks=str(self.path),
            model_entry=self.model,
            model_config="",
            threads=self._number("worker_threads", _THREADS),
            batch_size=1,
            directory=directory,
            environment=environment,
        )
        return ServiceSettings(
            name=self.path.stem,
            token="",
            worker=worker,
            keepalive=self._number("rpc.keepalive", _KEEPALIVE_MS) / 1000,
            instances=self._number("worker_processes", _INSTANCES),
        )

    def stamp(self) -> object:
        return None

    def model_is_kept(self, settings: ServiceSettings) -> bool:
        return True

    def _number(self, name: str, default: int) -> int:
        asked = self.asked.get(name, str(default))
        if asked.isdigit() and int(asked) > 0:
            return int(asked)
        raise StartError(f"{self.path}: {name}: expected a number above 0, got {asked!r}")
