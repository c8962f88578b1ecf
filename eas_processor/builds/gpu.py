"""Decide how a build uses the GPUs of this machine, or say why it cannot."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eas_processor.builds.catalogue import Cuda, Entry
from eas_processor.builds.installed import Installed
from eas_processor.errors import BuildError
from eas_processor.home import private_directory

log = logging.getLogger(__name__)

_PROBE = Path(__file__).parent / "cuda_probe.py"
_PROBE_S = 60.0
_CACHE_BYTES = 4 * 1024**3
_GIB = 1024**3
COMPILE_S = 3600.0
"""How long a start may take when the driver has to compile the kernels first."""


@dataclass(frozen=True)
class Wanted:
    """What a service file asks for: GPUs of each instance, GiB on each GPU, and instances."""

    gpu: float = 0
    gpu_memory: float | None = None
    instances: int = 1


@dataclass(frozen=True)
class Gpus:
    """
    How a service uses the GPUs.

    `environment` is for every process of the build. `names` are the GPUs in
    CUDA_VISIBLE_DEVICES, and an instance gets `each` of them. `model_config` holds settings
    for TensorFlow, and `compiles` says that the first start compiles kernels.
    """

    environment: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    each: int = 0
    model_config: dict[str, Any] = field(default_factory=dict)
    compiles: bool = False


def plan(entry: Entry, made: Installed | None, wanted: Wanted) -> Gpus:
    """Return how the build uses the GPUs of this machine; raises BuildError if it cannot."""
    cuda = entry.cuda
    if cuda is None:
        if wanted.gpu > 0:
            log.warning(
                "metadata.gpu is %g, but %s runs on the CPU; a tensorflow_gpu build uses a GPU",
                wanted.gpu,
                entry.name,
            )
        return Gpus()
    library_path = _library_path(made)
    if wanted.gpu <= 0:
        return _on_cpu(entry, cuda, library_path)
    facts = _probe(cuda.libraries, library_path)
    if facts["driver"] or facts["missing"]:
        raise BuildError(_lacking(entry, cuda, facts, _because(wanted)))
    return _on_gpus(entry, cuda, library_path, wanted, facts["gpus"])


def check_before_making(entry: Entry, wanted: Wanted) -> None:
    """Raise BuildError if the driver or CUDA is missing, before anything is downloaded."""
    if entry.cuda is None:
        return
    if wanted.gpu <= 0 or entry.cuda_lock is None:
        if wanted.gpu > 0 or entry.cuda.linked:
            plan(entry, None, wanted)
        return
    facts = _probe(entry.cuda.libraries, {})
    if facts["driver"]:
        raise BuildError(_lacking(entry, entry.cuda, facts, _because(wanted)))


def lacks_linked_libraries(entry: Entry, made: Installed | None = None) -> str:
    """Return why this TensorFlow cannot be imported here, or ""."""
    if entry.cuda is None or not entry.cuda.linked:
        return ""
    facts = _probe((*entry.cuda.libraries, "libcuda.so.1"), _library_path(made))
    if not facts["missing"]:
        return ""
    facts["driver"] = "" if "libcuda.so.1" not in facts["missing"] else facts["driver"]
    facts["missing"] = [name for name in facts["missing"] if name != "libcuda.so.1"]
    return _lacking(
        entry, entry.cuda, facts, f"TensorFlow {entry.tensorflow} is linked against CUDA, so "
    )


def _on_cpu(entry: Entry, cuda: Cuda, library_path: dict[str, str]) -> Gpus:
    if cuda.linked and (why := lacks_linked_libraries(entry)):
        raise BuildError(f"{why}; without a GPU, use {entry.name.replace('gpu', 'cpu')}")
    log.warning("%s runs on the CPU: metadata.gpu is 0 or not set", entry.name)
    return Gpus(environment=library_path | {"CUDA_VISIBLE_DEVICES": "-1"})


def _on_gpus(
    entry: Entry,
    cuda: Cuda,
    environment: dict[str, str],
    wanted: Wanted,
    found: list[dict[str, Any]],
) -> Gpus:
    needed = math.ceil(wanted.gpu * wanted.instances)
    if needed > len(found):
        raise BuildError(
            f"{wanted.instances} instance(s) with metadata.gpu {wanted.gpu:g} need {needed} "
            f"GPU(s), and this machine shows {len(found)}"
        )
    compiles = False
    for gpu in found:
        fits = coverage(cuda, gpu["capability"])
        shown = f"{gpu['name']} (compute capability {gpu['capability']})"
        if not fits:
            up_to = ", ".join(cuda.capabilities)
            raise BuildError(
                f"{entry.name} has no kernels for {shown}: it has them for {up_to}; use a newer "
                "build, or leave out this GPU with CUDA_VISIBLE_DEVICES"
            )
        if fits == "ptx":
            compiles = True
            log.warning(
                "%s: the driver compiles the kernels of %s once, which can take half an hour; "
                "they are kept",
                shown,
                entry.name,
            )
    if compiles:
        cache = private_directory("cuda-cache", entry.name)
        environment = environment | {
            "CUDA_CACHE_PATH": str(cache),
            "CUDA_CACHE_MAXSIZE": str(_CACHE_BYTES),
        }
    return Gpus(
        environment=environment,
        names=_names(len(found)),
        each=max(1, math.ceil(wanted.gpu)),
        model_config=_memory(wanted, found),
        compiles=compiles,
    )


def coverage(cuda: Cuda, capability: str) -> str:
    """Return "compiled", "ptx", or "" for a GPU that the kernels of a build do not cover."""
    major, minor = _pair(capability)
    for each in cuda.capabilities:
        if _pair(each)[0] == major and _pair(each)[1] <= minor:
            return "compiled"
    return "ptx" if cuda.ptx and (major, minor) >= _pair(cuda.ptx) else ""


def _pair(capability: str) -> tuple[int, int]:
    major, _, minor = capability.partition(".")
    return int(major), int(minor)


def _memory(wanted: Wanted, found: list[dict[str, Any]]) -> dict[str, Any]:
    settings: dict[str, Any] = {"gpu_allow_growth": True}
    if wanted.gpu_memory:
        smallest = min(gpu["memory"] for gpu in found)
        fraction = min(1.0, wanted.gpu_memory * _GIB / smallest)
        settings["gpu_memory_fraction"] = round(fraction, 4)
    elif wanted.gpu < 1:
        settings["gpu_memory_fraction"] = wanted.gpu
    return settings


def _names(count: int) -> tuple[str, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible:
        return tuple(name.strip() for name in visible.split(","))[:count]
    return tuple(str(number) for number in range(count))


def _library_path(made: Installed | None) -> dict[str, str]:
    """Return LD_LIBRARY_PATH with the CUDA libraries of the build, if it has any."""
    if made is None or not made.with_cuda:
        return {}
    directories = sorted(str(path) for path in made.site_packages.glob("nvidia/*/lib"))
    if before := os.environ.get("LD_LIBRARY_PATH"):
        directories.append(before)
    return {"LD_LIBRARY_PATH": ":".join(directories)}


def _probe(libraries: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-IS", str(_PROBE), *libraries],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=_PROBE_S,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"looking for GPUs failed: {done.stderr.strip()[-300:]}")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _because(wanted: Wanted) -> str:
    return f"metadata.gpu is {wanted.gpu:g}, and "


def _lacking(entry: Entry, cuda: Cuda, facts: dict[str, Any], why: str) -> str:
    lacking = []
    if facts["driver"]:
        lacking.append(f"the NVIDIA driver {cuda.driver} or newer ({facts['driver']})")
    if facts["missing"]:
        names = ", ".join(facts["missing"])
        lacking.append(f"CUDA {cuda.version} and cuDNN {cuda.cudnn} (not found: {names})")
    advice = (
        f"; `eascmd build {entry.name} --with-cuda` gets the libraries"
        if facts["missing"] and entry.cuda_lock is not None
        else "; set LD_LIBRARY_PATH to where the libraries are"
        if facts["missing"]
        else ""
    )
    return f"{why}{entry.name} needs {' and '.join(lacking)}{advice}"
