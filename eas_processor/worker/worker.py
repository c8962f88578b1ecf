"""One instance: the process that holds the model."""

import json
import logging
import os
import select
import sys
import threading

from types import ModuleType
from typing import Any, Dict, List

from eas_processor.link.blocking import FrameReader, connect
from eas_processor.link.frames import FAILED, HEARTBEAT, READY, STOP, WARMED, LinkError, pack
from eas_processor.worker import process
from eas_processor.worker.channel import Channel, Outlet
from eas_processor.worker.hooks import HooksError, Processor

_HEARTBEAT_S = 1.0


class Worker:
    """
    Runs the hooks for the engine's requests until the link closes.

    `spec` is the payload of the LAUNCH frame: instance, model_entry, model_config, threads, batch_size.
    """

    def __init__(self, socket_path: str, hooks: ModuleType, spec: Dict[str, Any]) -> None:
        self._path = socket_path
        self._hooks = hooks
        self._spec = spec
        self._channels = []  # type: List[Channel]
        self._collector = process.GarbageCollector()

    def run(self) -> None:
        """Load the model, serve, and end the process; never returns."""
        instance = self._spec["instance"]
        try:
            process.redirect_output(connect(self._path, "log", instance=instance).detach())
            logging.basicConfig(
                level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr
            )
            control = connect(self._path, "control", instance=instance)
            threading.Thread(target=self._watch, args=(control,), daemon=True).start()
            try:
                processor = Processor(
                    self._hooks, self._spec["model_entry"], self._spec["model_config"]
                )
            except HooksError as error:
                control.sendall(pack(FAILED, str(error).encode()))
            else:
                self._serve(processor)
                control.sendall(pack(READY, self._facts(processor)))
            threading.Event().wait()
        except OSError:
            pass  # the engine has gone; nobody is left to tell
        finally:
            _end()

    def _serve(self, processor: Processor) -> None:
        instance, threads = self._spec["instance"], self._spec["threads"]
        batch_size = self._spec["batch_size"] if processor.batches else 1
        data = connect(self._path, "data", instance=instance)
        bulk = connect(self._path, "bulk", instance=instance)
        outlet = Outlet(bulk)
        self._channels = [
            Channel(data, outlet, processor, threads, batch_size),
            Channel(bulk, outlet, processor, threads, batch_size),
        ]
        for channel in self._channels:
            channel.start()

    def _facts(self, processor: Processor) -> bytes:
        status, text = processor.describe()
        return json.dumps({"info_status": status, "info": text.decode()}).encode()

    def _watch(self, control: Any) -> None:
        """Beat, obey, and end the process when the engine is gone; runs in a thread of its own."""
        reader = FrameReader(control)
        served = -1
        try:
            while True:
                if select.select([control], [], [], _HEARTBEAT_S)[0]:
                    for frame in reader.read():
                        if frame[0] == STOP:
                            _end()
                        if frame[0] == WARMED:
                            self._collector.settle()
                    continue
                control.sendall(pack(HEARTBEAT))
                before, served = served, sum(channel.served for channel in self._channels)
                if served == before:
                    self._collector.idle()
        except (LinkError, OSError):
            process.remove_if_orphaned(self._path)
            _end()


def _end() -> None:
    # No clean-up of TensorFlow: its threads may be in a run, and the kernel takes everything back at once.
    sys.stderr.flush()
    os._exit(0)
