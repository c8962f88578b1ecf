"""Log a sample of requests and their answers to TFRecord files: `logging_config` of a model."""

import logging
import random
import threading
import time
from typing import Any, Dict, List, Sequence, Tuple

from eas_processor.codecs.prediction_log import write_metadata
from eas_processor.codecs.request_logs import log_of
from eas_processor.codecs.tfrecord import write_record
from eas_processor.tf.config import RequestLogConfig
from eas_processor.tf.log_files import LogFiles
from eas_processor.tf.run.model import Model

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 64 << 20
MAX_WAITING = 10000
_PAUSE_S = 10.0
"""After a write has failed, samples are dropped for this long without being converted."""
_REPORT_S = 60.0

_Sample = Tuple[int, Any, bytes, float]
"""Codec, body, answer, and when it was answered."""


class RequestLog:
    """
    Samples the requests of a model, and writes them in a separate thread.

    Requests never wait for the log. If more than 64 MiB or 10,000 samples wait to be written,
    further ones are dropped, and so are samples that cannot be written. Their number is reported in
    the worker's log at most once a minute.
    """

    def __init__(self, model: Model, config: RequestLogConfig) -> None:
        self.dropped = 0
        self._model = model
        self._config = config
        name = "%s.%s-%d" % (config.prefix, config.model or "model", config.version)
        self._files = LogFiles(name)
        self._waiting: List[_Sample] = []
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._reported = 0
        self._report_at = 0.0
        self._resume_at = 0.0
        threading.Thread(target=self._run, name="request-log", daemon=True).start()

    def offer(self, requests: Sequence[Any], codecs: Sequence[int], answers: Sequence[Any]) -> None:
        """Sample these requests. Answers that are exceptions are not logged."""
        rate = self._config.sampling_rate
        for request, codec, answer in zip(requests, codecs, answers):
            if type(answer) is bytes and random.random() < rate:
                self._add(codec, request, answer)

    def _add(self, codec: int, request: Any, answer: bytes) -> None:
        size = len(request) + len(answer)
        with self._lock:
            if self._bytes + size > MAX_WAITING_BYTES or len(self._waiting) >= MAX_WAITING:
                self.dropped += 1
                return
            self._bytes += size
            self._waiting.append((codec, request, answer, time.time()))
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                samples, self._waiting = self._waiting, []
            self._write(samples)
            # The samples count as waiting until they are written, because they take memory.
            with self._lock:
                self._bytes -= sum(len(body) + len(answer) for _, body, answer, _ in samples)
            self._report()

    def _write(self, samples: List[_Sample]) -> None:
        if time.monotonic() < self._resume_at:
            self._drop(len(samples))
            return
        for place, sample in enumerate(samples):
            try:
                record = self._record(sample)
            except Exception as error:
                log.debug("a request cannot be logged", exc_info=error)
                self._drop(1)
                continue
            try:
                self._files.write([record])
            except OSError as error:
                log.warning("request log: %s.*: %s", self._config.prefix, error.strerror or error)
                self._resume_at = time.monotonic() + _PAUSE_S
                self._drop(len(samples) - place)
                return

    def _record(self, sample: _Sample) -> bytes:
        codec, body, answer, seconds = sample
        config = self._config
        metadata = write_metadata(
            config.model,
            config.version,
            config.sampling_rate,
            self._model.config.tags or (),
            seconds,
        )
        return write_record(
            log_of(codec, body, answer, self._model, self._output_dtypes, config.model, metadata)
        )

    def _output_dtypes(self, signature_name: str) -> Dict[str, int]:
        signature = self._model.signature_or_none(signature_name)
        return {name: spec.dtype for name, spec in signature.outputs.items()} if signature else {}

    def _drop(self, count: int) -> None:
        with self._lock:
            self.dropped += count

    def _report(self) -> None:
        now = time.monotonic()
        if self.dropped > self._reported and now >= self._report_at:
            log.warning("request log: %d requests were dropped", self.dropped - self._reported)
            self._reported, self._report_at = self.dropped, now + _REPORT_S
