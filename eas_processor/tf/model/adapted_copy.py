"""Write a temporary copy of a SavedModel with an adapted graph."""

import contextlib
import os
import tempfile
from typing import Iterator, Tuple

from google.protobuf import text_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from eas_processor.tf.model.adapt import Changes, adapt


@contextlib.contextmanager
def adapted_copy(path: str, tags: Tuple[str, ...]) -> Iterator[Tuple[str, Changes]]:
    """
    Yield a temporary directory with the SavedModel at `path`, adapted, and the changes.

    The copy contains only the graph with `tags`. Its variables and assets are links.
    """
    message = _read(path)
    chosen = [meta for meta in message.meta_graphs if set(meta.meta_info_def.tags) == set(tags)]
    copy = SavedModel(saved_model_schema_version=message.saved_model_schema_version)
    copy.meta_graphs.extend(chosen[:1])
    changes = adapt(copy.meta_graphs[0].graph_def)
    with tempfile.TemporaryDirectory(prefix="eas-model-") as directory:
        for name in os.listdir(path):
            if os.path.isdir(os.path.join(path, name)):
                os.symlink(os.path.abspath(os.path.join(path, name)), os.path.join(directory, name))
        with open(os.path.join(directory, "saved_model.pb"), "wb") as file:
            file.write(copy.SerializeToString())
        yield directory, changes


def _read(path: str) -> SavedModel:
    message = SavedModel()
    binary = os.path.join(path, "saved_model.pb")
    if os.path.exists(binary):
        with open(binary, "rb") as file:
            message.ParseFromString(file.read())
    else:
        with open(os.path.join(path, "saved_model.pbtxt"), encoding="utf-8") as text:
            text_format.Parse(text.read(), message, allow_unknown_field=True)
    return message
