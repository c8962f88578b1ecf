"""The process that imports a processor's hooks once, and forks workers from itself."""

import logging
import os
import socket
import sys
from types import ModuleType
from typing import NoReturn, Optional

from eas_processor.link.blocking import DescriptorReader, introduce
from eas_processor.link.content import content_hash
from eas_processor.link.frames import CHANNELS, FAILED, FORK, LAUNCH, pack
from eas_processor.link.spec import WorkerSpec
from eas_processor.worker import process
from eas_processor.worker.hooks import HooksError, import_hooks
from eas_processor.worker.worker import Worker

_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

log = logging.getLogger("eas_processor.worker")

_OOM_POINTS = 100
"""See `raise_oom_score`. Workers inherit these points."""


class Launcher:
    """
    Forks workers, and spares of itself, for the engine, and ends with the engine.

    All processes that it forks are children of the engine, so they outlive the launcher. If the
    import of the hooks starts threads, forking is unsafe. The launcher then becomes the first
    worker itself, and the engine starts one launcher for each instance.
    """

    def __init__(self, link: socket.socket, hooks: str, engine: int) -> None:
        self._link = link
        self._reader = DescriptorReader(link)
        self._hooks_name = hooks
        self._engine = engine
        self._forks = True

    def run(self) -> int:
        """Serve the engine; return the exit status of the process."""
        process.ignore_stop_signals()
        process.raise_oom_score(_OOM_POINTS)
        hooks: Optional[ModuleType] = None
        failure = ""
        try:
            hooks = import_hooks(self._hooks_name)
        except HooksError as error:
            failure = str(error)
        process.keep_standard_descriptors()
        # Before the fork: a worker's collector would touch the shared pages, and so copy them.
        process.GarbageCollector().settle()
        self._forks = process.thread_count() == 1
        try:
            self._introduce(failure)
            if hooks is None:
                return 1
            self._serve(hooks)
        except ConnectionError:
            pass  # the engine has closed the link
        return 0

    def _introduce(self, failure: str = "") -> None:
        code = content_hash(_ROOT)
        introduce(self._link, forks=self._forks, failure=failure, code=code)

    def _serve(self, hooks: ModuleType) -> NoReturn:
        while True:
            for kind, _, _, _, _, payload in self._reader.read():
                if kind == LAUNCH:
                    self._launch(hooks, WorkerSpec.unpack(b"".join(payload)))
                elif kind == FORK and self._fork():
                    break  # This is the spare; the remaining frames are for the launcher.

    def _launch(self, hooks: ModuleType, spec: WorkerSpec) -> None:
        sockets = self._reader.take(len(CHANNELS))
        if not self._forks:
            Worker(hooks, spec, *sockets).run()
        try:
            if process.fork_child_of(self._engine):
                self._become(hooks, spec, *sockets)
        except OSError as error:
            refusal = f"a worker cannot be forked: {error.strerror}"
            sockets[0].sendall(pack(FAILED, refusal.encode()))
        for each in sockets:
            each.close()

    def _become(self, hooks: ModuleType, spec: WorkerSpec, *sockets: socket.socket) -> NoReturn:
        """Turn this newly forked process into the worker."""
        try:
            self._link.close()
            os.setsid()
            Worker(hooks, spec, *sockets).run()
        finally:
            os._exit(process.FAILED_STATUS)

    def _fork(self) -> bool:
        """Fork a spare with its own link; return True in the spare."""
        link, output = self._reader.take(2)
        copied = False
        try:
            copied = process.fork_child_of(self._engine)
        except OSError as error:
            log.error("a spare cannot be forked: %s", error.strerror)
        if copied:
            self._link.close()
            self._link, self._reader = link, DescriptorReader(link)
            for descriptor in (1, 2):
                os.dup2(output.fileno(), descriptor)
            os.setsid()
            self._introduce()
        else:
            link.close()
        output.close()
        return copied


def main() -> int:
    """Run a launcher; the arguments are the hooks, its link's descriptor, and the engine's pid."""
    hooks, descriptor, engine = sys.argv[1:]
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=int(descriptor))
    return Launcher(link, hooks, int(engine)).run()
