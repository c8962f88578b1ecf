"""
The processor builds that this release knows: one entry each, and its lock in `locks/`.

A new TensorFlow is one more entry here and one more lock: a file of `name==version` lines, to
which `python tools/lock.py NAME` adds the hashes.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from eas_processor.builds.vendor_names import what_it_is
from eas_processor.errors import BuildError

_LOCKS = Path(__file__).parent / "locks"


@dataclass(frozen=True)
class Cuda:
    """
    The requirements of a GPU build: versions of CUDA, cuDNN and the driver, libraries, GPUs.

    `libraries` are the file names that TensorFlow opens. `capabilities` are the compute
    capabilities that its kernels are compiled for. `ptx` is the one that the driver can compile for
    newer GPUs, or "" for none. A kernel fits a GPU of the same major and the same or a higher minor
    capability.
    """

    version: str
    cudnn: str
    driver: str
    libraries: tuple[str, ...]
    capabilities: tuple[str, ...]
    ptx: str = ""
    linked: bool = False
    """Whether importing TensorFlow already needs the libraries."""


@dataclass(frozen=True)
class Entry:
    """
    One build.

    `pythons` are the versions of Python that its lock supports, the preferred one first. `size` is
    its approximate size on disk, in MB. `instructions` are the CPU instructions that it requires
    beyond x86-64.
    """

    name: str
    tensorflow: str
    pythons: tuple[str, ...]
    size: int
    cuda: Cuda | None = None
    cuda_wheels: bool = False
    glibc: tuple[int, int] = (2, 17)
    instructions: tuple[str, ...] = ("avx",)

    @property
    def gpu(self) -> bool:
        """Whether this TensorFlow has GPU kernels."""
        return self.cuda is not None

    @property
    def lock(self) -> Path:
        """The file of exact versions and hashes."""
        return _LOCKS / f"{self.name}.txt"

    @property
    def cuda_lock(self) -> Path | None:
        """The lock of the CUDA libraries, for builds whose libraries are available as wheels."""
        return _LOCKS / f"{self.name}+cuda.txt" if self.cuda_wheels else None


def _libraries(cuda: str, **versions: str) -> tuple[str, ...]:
    """Return file names: `cudart` and `cublas` carry the version of CUDA, the rest their own."""
    # Not `|`: `setup.py processors` reads this file on every Python from 3.7 on.
    named = {"cudart": cuda, "cublas": cuda, **versions}
    return tuple(f"lib{name}.so.{version}" for name, version in named.items())


# Drivers: the tables "CUDA Toolkit and Minimum Required Driver Version" of
# https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/ and, for 11.2 and 12.5,
# https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html.
# Capabilities and file names: read from the code objects and strings of the wheels themselves.
_UP_TO_VOLTA = ("3.5", "3.7", "5.2", "6.0", "6.1", "7.0")
_UP_TO_TURING = ("3.5", "5.0", "6.0", "7.0", "7.5")

_CUDA_9_0 = Cuda(
    version="9.0",
    cudnn="7",
    driver="384.81",
    libraries=_libraries("9.0", cufft="9.0", curand="9.0", cusolver="9.0", cudnn="7"),
    capabilities=_UP_TO_VOLTA,
    linked=True,
)
_CUDA_10_0 = Cuda(
    version="10.0",
    cudnn="7",
    driver="410.48",
    libraries=_libraries(
        "10.0", cufft="10.0", curand="10.0", cusolver="10.0", cusparse="10.0", cudnn="7"
    ),
    capabilities=_UP_TO_VOLTA,
)
_CUDA_11_0 = Cuda(
    version="11.0",
    cudnn="8",
    driver="450.36.06",
    libraries=_libraries(
        "11.0",
        cublas="11",
        cublasLt="11",
        cufft="10",
        curand="10",
        cusolver="10",
        cusparse="11",
        cudnn="8",
    ),
    capabilities=_UP_TO_TURING,
    ptx="8.0",
)
_CUDA_11_2 = Cuda(
    version="11.2",
    cudnn="8",
    driver="450.80.02",
    # CUDA 11.1 to 11.8 keep the name libcudart.so.11.0.
    libraries=_libraries(
        "11.0",
        cublas="11",
        cublasLt="11",
        cufft="10",
        curand="10",
        cusolver="11",
        cusparse="11",
        cudnn="8",
    ),
    capabilities=_UP_TO_TURING,
    ptx="8.0",
)
_CUDA_12_5 = Cuda(
    version="12.5",
    cudnn="9",
    driver="525.60.13",
    libraries=_libraries(
        "12",
        cublasLt="12",
        cufft="11",
        cusolver="11",
        cusparse="12",
        cudnn="9",
    ),
    capabilities=("6.0", "7.0", "8.0", "8.9"),
    ptx="9.0",
)

# The newest lock fits four Pythons, so that the engine's own is among them.
_NEWEST_PYTHONS = ("3.13", "3.12", "3.11", "3.10")

ENTRIES = (
    Entry("tensorflow_cpu_1.12", "1.12.3", ("3.6",), 435),
    Entry("tensorflow_cpu_1.14", "1.14.0", ("3.7",), 545, glibc=(2, 23)),
    Entry("tensorflow_cpu_1.15", "1.15.5", ("3.7",), 525),
    Entry("tensorflow_cpu_2.3", "2.3.4", ("3.8",), 640),
    Entry("tensorflow_cpu_2.4", "2.4.4", ("3.8",), 635),
    Entry("tensorflow_cpu_2.7", "2.7.4", ("3.9",), 810),
    Entry("tensorflow_cpu_2.21", "2.21.0", _NEWEST_PYTHONS, 1320, glibc=(2, 27)),
    Entry("tensorflow_gpu_1.12", "1.12.0", ("3.6",), 1110, _CUDA_9_0),
    Entry("tensorflow_gpu_1.14", "1.14.0", ("3.7",), 1390, _CUDA_10_0, glibc=(2, 23)),
    Entry("tensorflow_gpu_1.15", "1.15.5", ("3.7",), 1445, _CUDA_10_0),
    Entry("tensorflow_gpu_2.4", "2.4.4", ("3.8",), 1040, _CUDA_11_0),
    Entry("tensorflow_gpu_2.7", "2.7.4", ("3.9",), 1320, _CUDA_11_2, cuda_wheels=True),
    Entry(
        "tensorflow_gpu_2.21",
        "2.21.0",
        _NEWEST_PYTHONS,
        1950,
        _CUDA_12_5,
        cuda_wheels=True,
        glibc=(2, 27),
    ),
)

NEWEST_CPU = "tensorflow_cpu_2.21"
ALIASES = {"tensorflow_cpu": NEWEST_CPU, "tensorflow_gpu": "tensorflow_gpu_2.21"}

_BY_NAME = {entry.name: entry for entry in ENTRIES}


def known_processors() -> list[str]:
    """Return every name that `processor` in a service file may have."""
    return sorted([*_BY_NAME, *ALIASES])


def find_entry(processor: str) -> Entry:
    """
    Return the entry that `processor` names; `NAME+PACKAGE` is NAME with another package.

    Raises BuildError with the nearest known names.
    """
    processor, *packages = processor.split("+")
    if packages:
        # Not above: `setup.py processors` imports this file where nothing is installed.
        from eas_processor.builds.extended import extend

        return extend(find_entry(processor), packages)
    entry = _BY_NAME.get(ALIASES.get(processor, processor))
    if entry is not None:
        return entry
    said = what_it_is(processor)
    if said:
        raise BuildError(f"processor: {said}")
    nearest = difflib.get_close_matches(processor.lower(), known_processors(), n=3, cutoff=0.6)
    if nearest:
        raise BuildError(
            f"processor: {processor!r} is not known; did you mean {' or '.join(nearest)}? "
            "`eascmd builds` lists all"
        )
    known = ", ".join(known_processors())
    raise BuildError(f"processor: {processor!r} is not known; known are {known}")
