"""Serve the requests of one data socket of a worker: bursts of requests in, of answers out."""

import logging
import select
import socket
import threading
import time
from collections import deque
from typing import Callable, Deque, List, Tuple

from eas_processor.codecs.registry import inline_bytes
from eas_processor.link.blocking import FrameReader
from eas_processor.link.codes import CANCELLED, DEADLINE_EXCEEDED, TOO_LARGE
from eas_processor.link.frames import (
    BULK_SIZE,
    CANCEL,
    HEAD,
    MAX_PAYLOAD,
    PREDICT,
    REPLY,
    RUN_TIMES,
    TIMES,
    Frame,
)
from eas_processor.worker import process
from eas_processor.worker.hooks import Answer, Processor
from eas_processor.worker.polling import Poller

log = logging.getLogger("eas_processor.worker")

# Handing the socket to another thread costs a wake-up and a switch of the GIL. It is worth that
# when runs take longer than this, because several then run in parallel. Batches gain less, since
# requests that arrive during a run make the next batch larger.
# The figures are in docs/decisions/worker-threads.md.
_INLINE_RUN_S = 0.0005
_INLINE_BATCH_S = 0.002
# Longer runs count as this much, so that the average falls again within 2,500 short runs.
_LONG_RUN_S = 0.1
# Answers of runs that are shorter than a system call are sent together. They are not held back
# longer than this, so that the engine can handle them during the next run.
# The figures are in docs/decisions/sending-in-bursts.md.
_HOLD_BACK_S = 0.0001
_EXPIRED: Answer = (DEADLINE_EXCEEDED, b"the request's deadline passed before it was run")
_CANCELLED: Answer = (CANCELLED, b"the client disconnected before the request was run")


class Outlet:
    """The sending side of a socket that several threads share."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._lock = threading.Lock()

    def send(self, *parts: bytes) -> None:
        """Send `parts` in order, without interleaving those of other threads."""
        with self._lock:
            for part in parts:
                self.sock.sendall(part)


class Channel:
    """
    Serves the requests of one socket with several threads, one of which leads.

    Only the leader reads. While runs are short, it also runs the requests itself, and no other
    thread wakes up. When runs are long, it hands the lead to another thread before it runs a
    request, so that all threads can run requests in parallel.
    """

    def __init__(
        self,
        outlet: Outlet,
        bulk: Outlet,
        processor: Processor,
        threads: int,
        batch_size: int,
        batch_wait: float = 0.0,
    ) -> None:
        self._outlet = outlet
        self._bulk = bulk
        self._processor = processor
        self._batch_size = batch_size
        self._batch_wait = batch_wait
        self._threads = threads
        # Receiving a large body takes as long as a short run, so the bulk channel hands over early.
        joins = batch_size > 1 and outlet is not bulk
        self._short_s = _INLINE_BATCH_S if joins else _INLINE_RUN_S
        """While runs take less than this, the leader runs them itself."""
        self._is_bulk = outlet is bulk
        self._lead = threading.Lock()
        self._reader = FrameReader(outlet.sock)
        self._waiting: Deque[Frame] = deque()
        self._replies: List[bytes] = []
        self._held_since = 0.0
        self._typical_run_s = 0.0
        self._held_when_sent = 0
        self._poller = Poller(self._reader, batches=batch_size > 1)
        self.served = 0

    def start(self, on_lost: Callable[[], None]) -> None:
        """Start the threads. Each calls `on_lost` when the other side has closed the socket."""
        for _ in range(self._threads):
            threading.Thread(target=self._serve, args=(on_lost,), daemon=True).start()

    def _serve(self, on_lost: Callable[[], None]) -> None:
        try:
            while True:
                self._lead_once()
        except ConnectionError:
            on_lost()
        except BaseException:
            log.exception(
                "a thread of the worker failed; the worker exits so that the engine replaces it"
            )
            process.end(process.FAILED_STATUS)

    def _lead_once(self) -> None:
        with self._lead:
            batch = self._take()
            while self._typical_run_s < self._short_s and not self._is_slow(batch[0]):
                first = not self._replies
                replies, started, ended = self._run(batch)
                self._replies += replies
                if first:
                    self._held_since = started
                if ended - self._held_since > _HOLD_BACK_S:
                    self._flush()
                batch = self._take()
            self._flush()
        self._outlet.send(b"".join(self._run(batch)[0]))

    def _take(self) -> List[Frame]:
        """Return the next requests to run together. The caller must hold the lead."""
        batch: List[Frame] = []
        while not batch:
            if not self._waiting:
                self._flush()
                self._accept(self._poller.read(self._held_when_sent) or self._reader.read())
            elif len(self._waiting) < self._batch_size:
                self._accept(self._reader.read_arrived())
            self._fill(batch)
        may_grow = len(batch) < self._batch_size and not self._waiting
        if self._batch_wait and may_grow and not self._is_slow(batch[0]):
            self._wait_for_more(batch)
        return batch

    def _is_slow(self, *frames: Frame) -> bool:
        """Return whether decoding one of them takes so long that other requests must not wait."""
        return self._is_bulk and any(
            len(payload) > inline_bytes(codec) for _, codec, _, _, _, payload in frames
        )

    def _fill(self, batch: List[Frame]) -> None:
        now = time.monotonic()
        while self._waiting and len(batch) < self._batch_size:
            if self._is_bulk and batch and self._is_slow(self._waiting[0], batch[0]):
                return  # A slow request runs alone, because answers of a batch are sent together.
            frame = self._waiting.popleft()
            _, _, _, number, deadline, _ = frame
            if deadline and now > deadline:
                self._refuse(number, _EXPIRED)
            else:
                batch.append(frame)

    def _wait_for_more(self, batch: List[Frame]) -> None:
        """Wait until `batch` is full, or until `max_batch_timeout` is over."""
        self._flush()
        end = time.monotonic() + self._batch_wait
        while len(batch) < self._batch_size and not self._waiting:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._outlet.sock], [], [], left)[0]:
                return
            self._accept(self._reader.read_arrived())
            self._fill(batch)

    def _accept(self, frames: List[Frame]) -> None:
        for frame in frames:
            kind, _, held, number, _, _ = frame
            if kind == PREDICT:
                self._waiting.append(frame)
                self._held_when_sent = held
            elif kind == CANCEL:
                self._cancel(number)

    def _cancel(self, number: int) -> None:
        for frame in self._waiting:
            if frame[3] == number:
                self._waiting.remove(frame)
                self._refuse(number, _CANCELLED)
                return

    def _run(self, batch: List[Frame]) -> Tuple[List[bytes], float, float]:
        """Run a batch; return the frames to send, and when the run began and ended."""
        start = time.perf_counter()
        if len(batch) == 1:
            _, codec, _, number, _, payload = batch[0]
            numbers: Tuple[int, ...] = (number,)
            answers = [self._processor.process(payload, codec)]
        else:
            _, codecs, _, numbers, _, payloads = zip(*batch)
            answers = self._processor.batch_process(list(payloads), codecs)
        end = time.perf_counter()
        seconds = end - start
        self._note_run(seconds)
        times, again = self._times(len(batch), seconds)
        replies: List[bytes] = [times]
        for number, answer in zip(numbers, answers):
            code, payload = answer
            if len(payload) > BULK_SIZE:
                self._send_large(number, answer, again)
            else:
                replies.append(HEAD.pack(len(payload), REPLY, 0, code, number, 0.0))
                replies.append(payload)
        self.served += len(batch)
        return replies, start, end

    def _note_run(self, seconds: float) -> None:
        # The average rises faster than it falls. A few long runs among many short ones then keep
        # the handover on; otherwise each long run would delay all requests read after it. One short
        # run that the kernel interrupts for some milliseconds does not turn it on.
        seconds = min(seconds, _LONG_RUN_S)
        weight = 0.02 if seconds > self._typical_run_s else 0.002
        self._typical_run_s += weight * (seconds - self._typical_run_s)

    def _times(self, requests: int, seconds: float) -> Tuple[bytes, bytes]:
        """
        Return the TIMES frames of the last batch, for its answers here and on the bulk channel.

        The first are one frame for each run of the model. The second counts no rows or requests,
        because these must be counted once.
        """
        rows, decode, run, encode = self._processor.take_times(requests, seconds)
        in_turn = self._typical_run_s < self._short_s
        head = HEAD.pack(RUN_TIMES.size, TIMES, 0, in_turn, 0, 0.0)
        micro = [min(int(each * 1e6), 0xFFFFFFFF) for each in (decode, run, encode)]
        times = head + RUN_TIMES.pack(rows[0] if rows else 0, requests, *micro)
        for more in rows[1:]:
            times += head + RUN_TIMES.pack(more, 0, *micro)
        return times, head + RUN_TIMES.pack(0, 0, *micro)

    def _refuse(self, number: int, refusal: Answer) -> None:
        code, text = refusal
        self._replies += [HEAD.pack(len(text), REPLY, 0, code, number, 0.0), text]

    def _send_large(self, number: int, answer: Answer, times: bytes) -> None:
        """Send a large answer on the bulk channel, so that it does not delay small ones."""
        code, payload = answer
        if len(payload) > MAX_PAYLOAD:
            code = TOO_LARGE
            payload = b"the answer has %d bytes, more than the limit of 4 GiB" % len(payload)
        head = HEAD.pack(len(payload), REPLY, 0, code, number, 0.0)
        self._bulk.send(times + head, payload)

    def _flush(self) -> None:
        if self._replies:
            replies, self._replies = self._replies, []
            self._outlet.send(b"".join(replies))
