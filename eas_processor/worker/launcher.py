"""The process that imports a processor build once and forks each worker from there."""

import json
import logging
import os
import select
import signal
import socket
import sys
from types import ModuleType
from typing import Dict, NoReturn, Optional

from eas_processor.link.blocking import FrameReader, connect
from eas_processor.link.content import content_hash
from eas_processor.link.frames import EXITED, LAUNCH, pack
from eas_processor.link.spec import WorkerSpec
from eas_processor.worker import process
from eas_processor.worker.hooks import HooksError, import_hooks
from eas_processor.worker.worker import Worker

_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

log = logging.getLogger("eas_processor.worker")

_NOT_FORKED = 71 << 8
"""The wait status of a process that ends with EX_OSERR of sysexits.h."""


class Launcher:
    """
    Forks workers on request, reports their ends, and leaves nothing behind when the engine is gone.

    A build whose import starts threads cannot be forked from: then this process becomes the one
    worker it is asked for, and the engine starts a launcher for each instance.
    """

    def __init__(self, socket_path: str, hooks: str, number: int) -> None:
        self._path = socket_path
        self._hooks_name = hooks
        self._number = number
        self._workers: Dict[int, int] = {}
        self._forks = True

    def run(self) -> int:
        """Serve the engine; return the exit status of the process."""
        process.die_with_parent()
        process.leave_signals_to_engine()
        hooks: Optional[ModuleType] = None
        failure = ""
        try:
            hooks = import_hooks(self._hooks_name)
        except HooksError as error:
            failure = str(error)
        # Before the fork: a worker's collector must not touch, and so copy, the pages it shares.
        process.GarbageCollector().settle()
        self._forks = process.thread_count() == 1
        try:
            self._link = connect(
                self._path,
                "launcher",
                launcher=self._number,
                forks=self._forks,
                failure=failure,
                code=content_hash(_ROOT),
            )
            if hooks is None:
                return 1
            if self._forks:
                # None of the hooks' code runs in here any more, so the end of the link is sure to
                # be seen; the kernel's way would be too quick for `_clean_up`.
                process.outlive_parent()
            self._serve(hooks)
        except ConnectionError:
            self._clean_up()
        return 0

    def _serve(self, hooks: ModuleType) -> None:
        self._wake, self._wakened = socket.socketpair()
        self._wake.setblocking(False)
        self._wakened.setblocking(False)
        signal.set_wakeup_fd(self._wakened.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        reader = FrameReader(self._link)
        while True:
            ready = select.select([self._link, self._wake], [], [])[0]
            if self._wake in ready:
                self._wake.recv(4096)
                self._reap()
            if self._link in ready:
                for kind, _, _, _, _, payload in reader.read():
                    if kind == LAUNCH:
                        self._launch(hooks, WorkerSpec.unpack(payload))

    def _launch(self, hooks: ModuleType, spec: WorkerSpec) -> None:
        worker = Worker(self._path, hooks, spec)
        if not self._forks:
            worker.run()
        sys.stdout.flush()
        sys.stderr.flush()
        launcher = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            log.error("a worker cannot be forked: %s", error.strerror)
            self._report(spec.instance, 0, _NOT_FORKED)
            return
        if pid:
            self._workers[pid] = spec.instance
        else:
            self._become(worker, launcher)

    def _become(self, worker: Worker, launcher: int) -> NoReturn:
        """Turn this process, newly forked, into the worker."""
        try:
            process.die_with_parent(launcher)
            for sock in (self._link, self._wake, self._wakened):
                sock.close()
            os.setsid()
            worker.run()
        finally:
            os._exit(process.FAILED_STATUS)

    def _reap(self) -> None:
        # One by one: waitpid(-1) would take the ends of processes that the hooks have started.
        for pid in list(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._report(self._workers.pop(pid), pid, status)

    def _report(self, instance: int, pid: int, status: int) -> None:
        ended = {"instance": instance, "pid": pid, "status": status}
        self._link.sendall(pack(EXITED, json.dumps(ended).encode()))

    def _clean_up(self) -> None:
        """The engine is gone, perhaps without having had the time to remove its directory."""
        process.leave_signals_to_engine()
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)
        process.remove_if_orphaned(self._path)
