"""
Import TensorFlow without its notices on stderr.

Importing this module starts no thread, opens no session and uses no GPU, so that a launcher can
import it and then fork.
"""

import os
import sys
import tempfile
import warnings
from typing import Any

# Level 2 shows errors only. The variable must be set before the library is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


_NOTICES = (
    b"absl::InitializeLog()",
    b"oneDNN custom operations",
    b"due to missing TensorBoard installation",
)


def _import_quietly() -> Any:
    """
    Import TensorFlow, and drop the notices that none of its settings turns off.

    These are numpy's FutureWarnings (TensorFlow 1.12 to 1.15), two lines about oneDNN from C++
    (TensorFlow 2.21, which writes them before its log level takes effect), and lines about
    TensorBoard (1.14 to 2.7), which our builds do not contain.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as captured:
        stderr = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import tensorflow  # noqa: ICN001 - what follows sets it as `tf`
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            captured.seek(0)
            for line in captured:
                if not any(notice in line for notice in _NOTICES):
                    os.write(2, line)
    return tensorflow


tf = _import_quietly()

# TensorFlow 1.12 has no `compat.v1`; its top level is that interface.
v1 = getattr(getattr(tf, "compat", None), "v1", tf)

# This silences deprecation notices, which are meant for authors of graphs.
v1.logging.set_verbosity(v1.logging.ERROR)

from tensorflow.core.protobuf import config_pb2  # noqa: E402
from tensorflow.python.framework import kernels as kernels  # noqa: E402
from tensorflow.python.saved_model.loader_impl import SavedModelLoader as SavedModelLoader  # noqa: E402

CallableOptions = config_pb2.CallableOptions
ConfigProto = config_pb2.ConfigProto
GPUOptions = config_pb2.GPUOptions
GraphOptions = config_pb2.GraphOptions
