"""Run a SavedModel once by tensor names, without a plan or a codec."""

import os
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.errors import ModelError
from eas_processor.tf.model.find import find_model
from eas_processor.tf.model.load import open_saved_model
from eas_processor.tf.run.run_errors import clean


def run_once(
    model_entry: str, tags: Tuple[str, ...], feeds: Dict[str, Any], fetches: Sequence[str]
) -> List[Any]:
    """
    Return the values of the tensors `fetches` in the graph with `tags`.

    `feeds` has values by tensor name, which are converted to the tensor's dtype. Raises ModelError.
    """
    path = find_model(model_entry)
    if not os.path.isdir(path):
        raise ModelError(f"expected a SavedModel, and {path} is a frozen graph")
    config = ModelConfig()
    config.tags = tags
    session = open_saved_model(path, config)
    try:
        arrays = {name: _array(session.graph, name, value) for name, value in feeds.items()}
        return list(session.run(list(fetches), feed_dict=arrays))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(clean(str(error))) from error
    finally:
        session.close()


def _array(graph: Any, name: str, value: Any) -> Any:
    dtype = graph.get_tensor_by_name(name).dtype
    try:
        return np.asarray(value, dtype.as_numpy_dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{name} takes {dtype.base_dtype.name}: {error}") from error
