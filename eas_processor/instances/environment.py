"""What a worker gets of the engine's environment: what a program needs, and no secrets."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

MORE = "EAS_WORKER_ENV"
"""Names of further variables for the workers, separated by commas; a name may end with `*`."""

_NAMES = frozenset(
    [
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TERM", "LANG", "LANGUAGE", "TZ"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "MALLOC_ARENA_MAX", "MALLOC_CONF"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),
    ]
)
# What TensorFlow, its libraries, and the container runtimes of GPUs read.
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
# Other programs use the same prefixes: TF_TOKEN_... and TF_VAR_... are Terraform's credentials.
_SECRETS = re.compile(r"TF_VAR_|TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE)
# Where an interpreter finds modules beside its own.
_MODULES = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE")

_ASCII = ("C", "POSIX")


def python_options(python: Path) -> list[str]:
    """
    Return the options of a launcher's interpreter: what is in its build, and nothing else.

    The engine's own one finds what the engine has found, also in the user's site-packages
    (`pip install --user`) and in PYTHONPATH.
    """
    if not _is_own(python):
        return ["-sE"]
    flags = sys.flags
    return ["-s"] * bool(flags.no_user_site) + ["-E"] * bool(flags.ignore_environment)


def python_environment(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of `environment` says where the engine's own interpreter finds modules."""
    if not _is_own(python):
        return {}
    return {name: environment[name] for name in _MODULES if name in environment}


def utf8_locale(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return what gives a launcher a locale of UTF-8 where the engine's has ASCII alone.

    Python 3.6, which has no UTF-8 mode, could otherwise load no model whose path is not ASCII.
    """
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := environment.get(name):
            is_ascii = value in _ASCII
            return {"LC_ALL" if name == "LC_ALL" else "LC_CTYPE": "C.UTF-8"} if is_ascii else {}
    return {"LC_CTYPE": "C.UTF-8"}


def _is_own(python: Path) -> bool:
    return str(python) == sys.executable


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of `environment` a launcher, and so its workers, may know."""
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
