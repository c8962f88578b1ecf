"""The process that imports a processor build once and forks each worker from there."""

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

_POINTS = 100
"""Workers have these too: they are forked from here."""


class Launcher:
    """
    Forks workers, and copies of itself, for the engine; it ends with the engine.

    All that it forks are the engine's children: its own end is nothing to them. A build whose
    import starts threads cannot be forked from. Then this process becomes the one worker that it is
    asked for, and the engine starts a launcher for each instance.
    """

    def __init__(self, link: socket.socket, hooks: str, engine: int) -> None:
        self._link = link
        self._reader = DescriptorReader(link)
        self._hooks_name = hooks
        self._engine = engine
        self._forks = True

    def run(self) -> int:
        """Serve the engine; return the exit status of the process."""
        process.leave_signals_to_engine()
        process.offer_to_the_kernel(_POINTS)
        hooks: Optional[ModuleType] = None
        failure = ""
        try:
            hooks = import_hooks(self._hooks_name)
        except HooksError as error:
            failure = str(error)
        process.keep_standard_descriptors()
        # Before the fork: a worker's collector must not touch, and so copy, the pages it shares.
        process.GarbageCollector().settle()
        self._forks = process.thread_count() == 1
        try:
            self._introduce(failure)
            if hooks is None:
                return 1
            self._serve(hooks)
        except ConnectionError:
            pass  # the engine has no use for it any more
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
                    break  # What else has come is for the process that this one is a copy of.

    def _launch(self, hooks: ModuleType, spec: WorkerSpec) -> None:
        sockets = self._reader.take(len(CHANNELS))
        if not self._forks:
            Worker(hooks, spec, *sockets).run()
        try:
            if process.fork_to(self._engine):
                self._become(hooks, spec, *sockets)
        except OSError as error:
            refusal = f"a worker cannot be forked: {error.strerror}"
            sockets[0].sendall(pack(FAILED, refusal.encode()))
        for each in sockets:
            each.close()

    def _become(self, hooks: ModuleType, spec: WorkerSpec, *sockets: socket.socket) -> NoReturn:
        """Turn this process, newly forked, into the worker."""
        try:
            self._link.close()
            os.setsid()
            Worker(hooks, spec, *sockets).run()
        finally:
            os._exit(process.FAILED_STATUS)

    def _fork(self) -> bool:
        """Fork a copy of this launcher with a link of its own; return whether this is it."""
        link, output = self._reader.take(2)
        copied = False
        try:
            copied = process.fork_to(self._engine)
        except OSError as error:
            log.error("a copy of the launcher cannot be forked: %s", error.strerror)
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
    """Run the launcher of the command line: the hooks, the number of its link, the engine's pid."""
    hooks, descriptor, engine = sys.argv[1:]
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=int(descriptor))
    return Launcher(link, hooks, int(engine)).run()
