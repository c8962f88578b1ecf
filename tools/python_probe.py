"""
Describe an interpreter for `tools/choose_python.sh`: PATH, VERSION, BUILD and MICROSECONDS.

PATH is the interpreter itself, even if this runs in a virtual environment or through a shim of
pyenv. BUILD is `optimised`, `plain` or `unknown`. The flags of `configure` do not suffice, because
Debian optimises its builds (PGO) by other means. So MICROSECONDS decides: the best of several runs
of a small workload that resembles the engine's (calls, attributes, dictionaries, bytes), in 0.1 s.

With `--choose`, read such lines and print the PATH of the first, unless another is more than a
tenth faster. The reason is printed on stderr.

The exit status is 3 if the engine does not support this version, and 4 if the interpreter cannot
create virtual environments.
"""

import platform
import struct
import sys
import sysconfig
import time

SUPPORTED = (3, 11), (3, 13)
SLOW = """\
make: it was built without optimisations, so it serves up to a quarter fewer requests a second.
make: for a faster one, run `uv python install 3.12`, or `pyenv install 3.12` with
make: PYTHON_CONFIGURE_OPTS='--enable-optimizations --with-lto', and then `make install` again\
"""


class Request:
    """An object that the workload reads and changes."""

    def __init__(self, number):
        """Begin with an empty header."""
        self.number, self.length, self.header = number, 0, {}

    def read(self, data):
        """Read the length and a name from a frame."""
        self.length, key = struct.unpack_from("<IH", data, 0)
        self.header[f"key-{key & 15}"] = data[4:].split(b":", 1)[0]
        return self


def workload():
    """Read frames into objects, and return a sum over their contents."""
    total = 0
    for number in range(4000):
        request = Request(number).read(b"\x10\x00\x00\x00\x07\x00name: value")
        try:
            total += request.length + len(request.header["key-7"])
        except KeyError:
            total -= 1
    return total


def measure():
    """Return the microseconds of the fastest of some runs."""
    times = []
    for _ in range(12):
        start = time.perf_counter()
        workload()
        times.append(time.perf_counter() - start)
    return round(min(times) * 1e6)


def build():
    """Return `optimised` if the interpreter was compiled with PGO, else `plain` or `unknown`."""
    flags = " ".join(
        str(sysconfig.get_config_var(name) or "") for name in ("CONFIG_ARGS", "PY_CORE_CFLAGS")
    )
    if "--enable-optimizations" in flags or "-fprofile-use" in flags:
        return "optimised"
    return "unknown" if sys.base_prefix == "/usr" else "plain"  # /usr is the distribution's


def choose(lines):
    """Return the fields of the chosen Python, and those of all Pythons."""
    found = [line.rstrip("\n").split("\t") for line in lines if line.strip()]
    fastest = min(int(each[3]) for each in found)
    return next(each for each in found if int(each[3]) <= 1.1 * fastest), found


def explain(taken, found):
    """Print on stderr which Python is taken, and how to get another or a faster one."""
    path, version, kind, microseconds = taken
    why = ""
    if taken is not found[0]:
        ratio = int(found[0][3]) / int(microseconds)
        why = f", which is {ratio:.1f} times as fast in a test loop as {found[0][0]}"
        why += "; PYTHON=/path/to/python3 takes another"
    print(f"make: taking {path}, Python {version}{why}", file=sys.stderr)
    if kind == "plain":
        print(SLOW, file=sys.stderr)


def main():
    """Print the line, or exit with the status that tells why not."""
    if sys.argv[1:] == ["--choose"]:
        taken, found = choose(sys.stdin)
        explain(taken, found)
        print(taken[0])
        return
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        sys.exit(3)
    try:
        import ensurepip  # noqa: F401 - Debian has it in a package of its own
        import venv  # noqa: F401
    except ImportError:
        sys.exit(4)
    path = getattr(sys, "_base_executable", None) or sys.executable
    print("\t".join([path, platform.python_version(), build(), str(measure())]))


if __name__ == "__main__":
    main()
