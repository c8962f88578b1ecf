"""A driver and CUDA libraries without a GPU behind them, compiled for a test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

# STUB_GPUS holds the compute capabilities, such as `7.0 8.6`; CUDA_VISIBLE_DEVICES chooses.
_DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int major[16], minor[16], count;

int cuInit(unsigned flags) {
    int all = 0, some[16][2];
    char *failure = getenv("STUB_CUINIT"), *gpus = getenv("STUB_GPUS");
    char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (failure) return atoi(failure);
    for (char *at = strtok(strdup(gpus ? gpus : ""), " "); at; at = strtok(0, " "))
        if (sscanf(at, "%d.%d", &some[all][0], &some[all][1]) == 2) all++;
    count = 0;
    if (!visible) for (int n = 0; n < all; n++) {
        major[n] = some[n][0]; minor[n] = some[n][1]; count++;
    } else for (char *at = strtok(strdup(visible), ","); at; at = strtok(0, ",")) {
        int n = atoi(at);
        if (n < 0 || n >= all) break;
        major[count] = some[n][0]; minor[count++] = some[n][1];
    }
    return count ? 0 : 100;
}
int cuDeviceGetCount(int *out) { *out = count; return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    snprintf(name, size, "Stub %d", device);
    return 0;
}
int cuDeviceGetAttribute(int *out, int which, int device) {
    *out = which == 75 ? major[device] : minor[device];
    return 0;
}
int cuDeviceTotalMem_v2(size_t *out, int device) { *out = (size_t)(16 + device) << 30; return 0; }
"""


def compiler() -> str | None:
    """Return the C compiler of this machine."""
    return shutil.which("gcc") or shutil.which("cc")


def make_driver(directory: Path) -> None:
    """Write libcuda.so.1 into `directory`."""
    _compile(directory / "libcuda.so.1", _DRIVER)


def make_libraries(directory: Path, names: tuple[str, ...]) -> None:
    """Write libraries with nothing in them into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    first = directory / "first"
    _compile(first, "")
    for name in names:
        shutil.copy(first, directory / name)
    first.unlink()


def _compile(target: Path, source: str) -> None:
    found = compiler()
    assert found is not None
    subprocess.run(
        [found, "-shared", "-fPIC", "-w", "-x", "c", "-o", str(target), "-"],
        input=source,
        text=True,
        check=True,
        timeout=60,
    )
