"""The process of one instance: it loads the model, and answers the engine's calls."""

import contextlib
import json
import logging
import os
import select
import signal
import socket
import threading
from typing import Any, List, NoReturn, Optional

from eas_processor.link.blocking import FrameReader, introduce
from eas_processor.link.frames import (
    END_PROFILE,
    FAILED,
    HEARTBEAT,
    PROFILE,
    READY,
    STOP,
    WARMED,
    pack,
)
from eas_processor.link.spec import WorkerSpec
from eas_processor.worker import process
from eas_processor.worker.channel import Channel, Outlet
from eas_processor.worker.hooks import HooksError, Processor, info_facts
from eas_processor.worker.priority import lowered_priority
from eas_processor.worker.profiling import Profiling

log = logging.getLogger("eas_processor.worker")

_HEARTBEAT_S = 1.0
_OOM_POINTS = 200


class Worker:
    """Loads the model, and runs the hooks for the engine's calls until the engine ends it."""

    def __init__(
        self,
        hooks: Any,
        spec: WorkerSpec,
        control: socket.socket,
        data: socket.socket,
        bulk: socket.socket,
        output: socket.socket,
    ) -> None:
        self._hooks = hooks
        self._spec = spec
        self._control = control
        self._control_lock = threading.Lock()
        self._profiling = Profiling(self._tell)
        self._data, self._bulk = data, bulk
        self._output = output
        self._channels: List[Channel] = []
        self._processor: Optional[Processor] = None
        self._asked_to_stop = threading.Event()
        self._collector = process.GarbageCollector()

    def run(self) -> NoReturn:
        """Load the model, serve, and end the process."""
        try:
            process.ignore_stop_signals()
            process.raise_oom_score(_OOM_POINTS)
            with self._output as sock:
                process.redirect_output(sock)
            process.close_in_children([self._control, self._data, self._bulk])
            introduce(self._control)
            threading.Thread(target=self._watch, daemon=True).start()
            # Before the hooks run, because CUDA reads CUDA_VISIBLE_DEVICES when it starts.
            os.environ.update(self._spec.environment)
            self._load()
            self._asked_to_stop.wait()
            # Python runs handlers in this thread, so the handler has returned when the call does.
            if self._spec.sigterm:
                with contextlib.suppress(SystemExit):
                    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            if self._processor is not None:
                self._processor.shutdown()
            process.end()
        except ConnectionError:
            process.end()  # the engine is gone, or has closed the sockets
        except BaseException:
            log.exception("the worker failed, and exits")
        process.end(process.FAILED_STATUS)

    def _load(self) -> None:
        try:
            with lowered_priority(self._spec.low_priority):
                processor = Processor(self._hooks, self._spec.model_entry, self._spec.model_config)
        except HooksError as error:
            self._tell(pack(FAILED, str(error).encode(errors="replace")))
            return
        # This runs again after the warm-up, and is quick then, because it freezes most objects now.
        self._collector.settle()
        self._processor = processor
        self._serve(processor)
        facts = dict(
            info_facts(*processor.describe()),
            asked=processor.asked(),
            metadata=processor.metadata(),
            load=processor.load_facts(),
        )
        self._tell(pack(READY, json.dumps(facts).encode()))

    def _tell(self, frame: bytes) -> None:
        """Send a frame on `control`, without interleaving those of other threads."""
        with self._control_lock:
            self._control.sendall(frame)

    def _serve(self, processor: Processor) -> None:
        batch_size = self._spec.batch_size if processor.batches else 1
        data, bulk = Outlet(self._data), Outlet(self._bulk)
        self._channels = [
            Channel(
                outlet,
                bulk,
                processor,
                self._spec.threads,
                batch_size,
                self._spec.batch_wait,
            )
            for outlet in (data, bulk)
        ]
        for channel in self._channels:
            channel.start(on_lost=process.end)

    @property
    def _runs_code_at_end(self) -> bool:
        """Whether the processor runs code before the end; the engine waits 2 s for it."""
        has_shutdown_hook = self._processor is not None and self._processor.has_shutdown_hook
        return self._spec.sigterm or has_shutdown_hook

    def _watch(self) -> None:
        """Send heartbeats and follow the frames on `control`, until the engine is gone."""
        control = self._control
        reader = FrameReader(control)
        served = -1
        try:
            while True:
                if select.select([control], [], [], _HEARTBEAT_S)[0]:
                    self._handle_commands(reader)
                    continue
                self._tell(pack(HEARTBEAT))
                before, served = served, sum(channel.served for channel in self._channels)
                if served == before:
                    self._collector.idle()
        except ConnectionError:
            process.end()

    def _handle_commands(self, reader: FrameReader) -> None:
        for kind, _, _, number, _, payload in reader.read():
            if kind == STOP and self._runs_code_at_end:
                self._asked_to_stop.set()
            elif kind == STOP:
                process.end()
            if kind == WARMED:
                self._collector.settle()
            elif kind == PROFILE:
                self._profiling.start(self._processor, number, json.loads(bytes(payload).decode()))
            elif kind == END_PROFILE:
                self._profiling.end()
