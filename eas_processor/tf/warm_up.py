"""Replay the warm-up requests of a SavedModel, `assets.extra/tf_serving_warmup_requests`."""

import logging
import os
from time import perf_counter
from typing import BinaryIO, NamedTuple, Optional

from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.prediction_log import read_prediction_log
from eas_processor.codecs.tfrecord import DataLoss, read_records
from eas_processor.tf.errors import ModelError, ProcessorError
from eas_processor.tf.run.batching import run_batch
from eas_processor.tf.run.model import Model
from eas_processor.tf.times import RunTimes
from eas_wire import WireError

log = logging.getLogger(__name__)

WARM_UP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


class Replayed(NamedTuple):
    """The number of records that were replayed, and the seconds that took."""

    records: int
    seconds: float


def warm_up(model: Model, directory: str, iterations: int) -> Optional[Replayed]:
    """
    Answer the warm-up requests of the SavedModel in `directory`, each `iterations` times.

    Returns None if it has no warm-up file. The model name and version in a request are ignored.
    Raises ModelError if the file cannot be read, or if a request fails.
    """
    path = os.path.join(directory, WARM_UP_FILE)
    if not os.path.exists(path):
        log.info("No warmup data file found at %s", path)
        return None
    begin = perf_counter()
    log.info(
        "Starting to read warmup data for model at %s with model-warmup-options "
        "num_request_iterations { value: %d }",
        path,
        iterations,
    )
    try:
        with open(path, "rb") as file:
            count = _replay(model, file, path, iterations)
    except DataLoss as error:
        raise ModelError(
            "%s: %s. Please verify your warmup data is in TFRecord format." % (path, error)
        ) from None
    except OSError as error:
        raise ModelError("%s: %s" % (path, error.strerror or error)) from None
    seconds = perf_counter() - begin
    log.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %d. "
        "Elapsed time (microseconds): %d.",
        path,
        count,
        int(seconds * 1e6),
    )
    return Replayed(count, seconds)


def _replay(model: Model, file: BinaryIO, path: str, iterations: int) -> int:
    count = 0
    for record in read_records(file):
        if count == MAX_RECORDS:
            raise ModelError(
                "Number of warmup records exceeds the maximum (%d) at %s" % (MAX_RECORDS, path)
            )
        try:
            _answer(model, record, iterations)
        except (CodecError, WireError, ProcessorError) as error:
            raise ModelError("warmup record %d of %s: %s" % (count, path, error)) from error
        count += 1
    return count


def _answer(model: Model, record: bytes, iterations: int) -> None:
    logged = read_prediction_log(record)
    if logged is None:
        return
    for _ in range(iterations):
        (answer,) = run_batch(model, [logged.body], [logged.codec], RunTimes())
        if isinstance(answer, Exception):
            raise answer
