"""The process that imports a processor build once and forks each worker from there."""

import json
import os
import select
import signal
import socket
import sys

from types import ModuleType
from typing import Any, Dict, Optional

from eas_processor.link.blocking import FrameReader, connect
from eas_processor.link.frames import EXITED, LAUNCH, LinkError, pack
from eas_processor.worker import process
from eas_processor.worker.hooks import HooksError, import_hooks
from eas_processor.worker.worker import Worker


class Launcher:
    """
    Forks workers on request, reports their ends, and leaves nothing behind when the engine is gone.

    A build whose import starts threads cannot be forked from: then this process becomes the one worker it is asked for,
    and the engine starts a launcher for each instance.
    """

    def __init__(self, socket_path: str, hooks: str, number: int) -> None:
        self._path = socket_path
        self._hooks_name = hooks
        self._number = number
        self._workers = {}  # type: Dict[int, int]
        self._forks = True

    def run(self) -> int:
        """Serve the engine; return the exit status of the process."""
        process.die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        hooks, failure = None, ""  # type: Optional[ModuleType], str
        try:
            hooks = import_hooks(self._hooks_name)
        except HooksError as error:
            failure = str(error)
        # Before the fork, so that the collector of a worker does not touch, and so copy, the pages it shares.
        process.GarbageCollector().settle()
        self._forks = process.thread_count() == 1
        link = connect(
            self._path, "launcher", launcher=self._number, forks=self._forks, failure=failure
        )
        if hooks is None:
            return 1
        try:
            self._serve(link, hooks)
        except (LinkError, OSError):
            self._clean_up()
        return 0

    def _serve(self, link: socket.socket, hooks: ModuleType) -> None:
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        reader = FrameReader(link)
        while True:
            ready = select.select([link, wake], [], [])[0]
            if wake in ready:
                wake.recv(4096)
                self._reap(link)
            if link in ready:
                for frame in reader.read():
                    if frame[0] == LAUNCH:
                        self._launch(link, hooks, json.loads(frame[4].decode()))

    def _launch(self, link: socket.socket, hooks: ModuleType, spec: Dict[str, Any]) -> None:
        if not self._forks:
            process.default_signals()
            Worker(self._path, hooks, spec).run()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            self._workers[pid] = spec["instance"]
            return
        try:
            link.close()
            process.die_with_parent()
            process.default_signals()
            os.setsid()
            Worker(self._path, hooks, spec).run()
        finally:
            os._exit(1)

    def _reap(self, link: socket.socket) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            ended = {"instance": self._workers.pop(pid), "pid": pid, "status": status}
            link.sendall(pack(EXITED, json.dumps(ended).encode()))

    def _clean_up(self) -> None:
        """The engine is gone, perhaps without having had the time to remove its directory."""
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)
        process.remove_if_orphaned(self._path)
