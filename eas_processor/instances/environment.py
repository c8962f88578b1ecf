"""The environment variables that workers inherit from the engine: never secrets."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

MORE = "EAS_WORKER_ENV"
"""Names of more variables for workers, separated by commas. A name may end with `*`."""

_NAMES = frozenset(
    [
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TERM", "LANG", "LANGUAGE", "TZ"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "MALLOC_ARENA_MAX", "MALLOC_CONF"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),
    ]
)
# Variables that TensorFlow, its libraries and the container runtimes of GPUs read.
_PREFIXES = (
    "LC_",
    "XDG_",
    "TF_",
    "TF2_",
    "TFLITE_",
    "XLA_",
    "CUDA_",
    "CUDNN_",
    "CUBLAS_",
    "NCCL_",
    "NVIDIA_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "ONEDNN_",
    "DNNL_",
    "OPENBLAS_",
    "ABSL_",
    "GLIBC_",
)
# Other programs use the same prefixes. TF_TOKEN_... and TF_VAR_... hold Terraform's credentials.
_SECRETS = re.compile(r"TF_VAR_|TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE)
# Variables that add to the module search path of an interpreter.
_MODULES = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE")

_ASCII = ("C", "POSIX")


def python_options(python: Path) -> list[str]:
    """
    Return the interpreter options of a launcher, which limit its imports to the build.

    A launcher on the engine's own interpreter finds the same modules as the engine, including the
    user's site-packages (`pip install --user`) and PYTHONPATH.
    """
    if not _is_own(python):
        return ["-sE"]
    flags = sys.flags
    return ["-s"] * bool(flags.no_user_site) + ["-E"] * bool(flags.ignore_environment)


def python_environment(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the module search variables of `environment`, if `python` is the engine's own."""
    if not _is_own(python):
        return {}
    return {name: environment[name] for name in _MODULES if name in environment}


def utf8_locale(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return variables that give a launcher a UTF-8 locale if the engine has an ASCII locale.

    Python 3.6 has no UTF-8 mode. Without this it could not load a model whose path is not ASCII.
    """
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := environment.get(name):
            is_ascii = value in _ASCII
            return {"LC_ALL" if name == "LC_ALL" else "LC_CTYPE": "C.UTF-8"} if is_ascii else {}
    return {"LC_CTYPE": "C.UTF-8"}


def _is_own(python: Path) -> bool:
    return str(python) == sys.executable


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `environment` that a launcher and its workers inherit."""
    more = [name.strip() for name in environment.get(MORE, "").split(",") if name.strip()]
    names = _NAMES.union(more)
    asked_for = tuple(name[:-1] for name in more if name.endswith("*"))
    return {
        name: value
        for name, value in environment.items()
        if name in names
        or name.startswith(asked_for)
        or (name.startswith(_PREFIXES) and not _SECRETS.search(name))
    }
