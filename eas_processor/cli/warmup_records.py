"""Write records of a `tf_serving_warmup_requests` file."""

from __future__ import annotations

from pathlib import Path

from eas_processor.codecs.prediction_log import write_prediction_log
from eas_processor.codecs.tensor_proto.codec import TensorProto
from eas_processor.codecs.tensor_proto.requests import from_array_proto
from eas_processor.codecs.tfrecord import DataLoss, read_records, write_record
from eas_processor.errors import CallError

_DIRECTORY = "assets.extra"


def add_record(path: Path, body: bytes) -> bytes:
    """
    Append a request, a `PredictRequest` of EAS, to the file at `path`, which may not exist yet.

    Returns the record. Raises OSError, and CallError if the file has other content.
    """
    log = write_prediction_log(TensorProto.number, from_array_proto(body))
    record = write_record(log)
    if path.parent.name == _DIRECTORY:
        path.parent.mkdir(exist_ok=True)
    with path.open("a+b") as file:
        try:
            for _ in read_records(file):
                pass
        except DataLoss as error:
            raise CallError(f"{path}: {error}: expected TFRecords, to add one more") from error
        file.write(record)
    return record
