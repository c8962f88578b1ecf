"""
Print as JSON which GPUs the NVIDIA driver shows: `python cuda_probe.py LIBRARY ...`.

This is a process of its own, because a process must not fork after it has initialised the driver,
and because the loader reads LD_LIBRARY_PATH only when a process starts.
"""

import ctypes
import json
import sys

_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76


def main(libraries: list[str]) -> None:
    """Print {"missing": [libraries], "driver": why it cannot be used, or "", "gpus": [...]}."""
    facts: dict[str, object] = {
        "missing": [name for name in libraries if not _opens(name)],
        "driver": "",
        "gpus": [],
    }
    try:
        facts["gpus"] = _gpus(ctypes.CDLL("libcuda.so.1"))
    except OSError:
        facts["driver"] = "libcuda.so.1 is not found"
    except RuntimeError as error:
        facts["driver"] = str(error)
    print(json.dumps(facts))


def _opens(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _gpus(driver: ctypes.CDLL) -> list[dict[str, object]]:
    _call(driver, "cuInit", 0)
    count = ctypes.c_int()
    _call(driver, "cuDeviceGetCount", ctypes.byref(count))
    gpus = []
    for number in range(count.value):
        device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
        _call(driver, "cuDeviceGet", ctypes.byref(device), number)
        _call(driver, "cuDeviceGetName", name, len(name), device)
        for value, which in ((major, _CAPABILITY_MAJOR), (minor, _CAPABILITY_MINOR)):
            _call(driver, "cuDeviceGetAttribute", ctypes.byref(value), which, device)
        _call(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
        gpus.append(
            {
                "name": name.value.decode(errors="replace"),
                "capability": f"{major.value}.{minor.value}",
                "memory": memory.value,
            }
        )
    return gpus


def _call(driver: ctypes.CDLL, function: str, *arguments: object) -> None:
    status = getattr(driver, function)(*arguments)
    if status:
        raise RuntimeError(f"{function} of the driver failed with error {status}")


if __name__ == "__main__":
    main(sys.argv[1:])
