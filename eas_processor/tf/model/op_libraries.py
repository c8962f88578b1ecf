"""
Load operation libraries, which define ops that TensorFlow does not have.

They are shared objects, or installed packages that contain some. They are loaded before the graph.
"""

import importlib
import logging
import os
import re
import struct
import sys
from collections import Counter
from glob import glob
from typing import Any, Dict, Iterator, List, Sequence, Set, Tuple

from tensorflow.python.framework import kernels

from eas_processor.tf.errors import ModelConfigError
from eas_processor.tf.model.adapt import UNKNOWN_OP
from eas_processor.tf.runtime import tf

log = logging.getLogger(__name__)

_KEY = "model_config.op_libraries"
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SHARED_OBJECT = re.compile(r"\.so(\.\d+)*$")
_LACKING = re.compile(r"(\S+): cannot open shared object file")
_UNDEFINED = re.compile(r"undefined symbol: (\S+?),?$")

# Names for machine numbers in ELF headers.
_MACHINES = {3: "32-bit x86", 40: "32-bit ARM", 62: "x86-64", 183: "ARM64", 243: "RISC-V"}

# Packages by the beginnings of their ops' names, with all ops of TensorFlow Text up to 2.21.
_OF_PACKAGES: Tuple[Tuple[str, str], ...] = (
    ("tensorflow_decision_forests", "SimpleML|Yggdrasil"),
    (
        "tensorflow_text",
        "TFText>|CaseFoldUTF8|ConstrainedSequence|FastBertNormalize|FastWordpiece"
        "|FindSourceOffsets|MaxSpanningTree|NormalizeUTF8|PhraseTokenize|RegexSplitWithOffsets"
        "|RougeL|SentenceFragments|Sentencepiece|SplitMerge|TokenizerFromLogits"
        "|UnicodeScriptTokenize|WhitespaceTokenize|WordpieceTokenize",
    ),
    ("tensorflow_addons", "Addons>"),
    ("tensorflow_io", "IO>"),
)

# Patterns for the shared objects that importing a package does not load.
_LATE = {
    "tensorflow_addons": ("custom_ops", "*", "_*.so"),
    "tensorflow_io": ("**", "ops", "libtensorflow_io.so"),
}

_contrib: List[str] = []


def is_package(named: str) -> bool:
    """Return whether an entry of `op_libraries` names a package, not a file."""
    return bool(_PACKAGE.fullmatch(named)) and not _SHARED_OBJECT.search(named)


def load_op_libraries(named: Sequence[str], model: str) -> None:
    """
    Load shared objects, given by path, and packages, given by name, in this order.

    A path is absolute, or relative to the directory of `model`. Raises ModelConfigError.
    """
    for each in named:
        # Logged before the load, because a library may crash the process.
        log.info("loading the operation library %s", each)
        if is_package(each):
            _import_package(each)
        else:
            _load(_find(each, model))


def _find(named: str, model: str) -> str:
    directory = model if os.path.isdir(model) else os.path.dirname(model)
    path = os.path.realpath(os.path.join(directory, named))
    if not os.path.isfile(path):
        what = "is not a file" if os.path.exists(path) else "does not exist"
        raise ModelConfigError(f"{_KEY}: {path} {what}")
    return path


def _import_package(name: str) -> None:
    before = _kernels()
    try:
        _load_late_libraries(importlib.import_module(name))
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ImportError) else None
        if missing is not None and (name == missing or name.startswith(missing + ".")):
            raise ModelConfigError(
                f"{_KEY}: there is no package '{missing}' beside TensorFlow {tf.__version__}; "
                f"{how_to_add(name)} adds it to a build, and a shared object is given by its path"
            ) from error
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        raise ModelConfigError(f"{_KEY}: '{name}' cannot be imported: {said}") from error
    _refuse_redefined(f"the package '{name}'", before)


def _load_late_libraries(module: Any) -> None:
    """Load the shared objects that a package would load only when its ops are first called."""
    pattern = _LATE.get(module.__name__)
    if pattern is None:
        return
    for path in sorted(glob(os.path.join(module.__path__[0], *pattern), recursive=True)):
        try:
            tf.load_op_library(path)
        except tf.errors.OpError as error:
            # GPU kernels need CUDA's libraries. The model may not need these kernels.
            log.info("%s was not loaded: %s", path, error.message)


def how_to_add(package: str) -> str:
    """Return the command that adds a package to a build."""
    return f"`eascmd build NAME --with {package.partition('.')[0]}`"


def _load(path: str) -> None:
    _check_file(path)
    before = _kernels()
    try:
        tf.load_op_library(path)
    except (tf.errors.OpError, OSError, RuntimeError) as error:
        said = " ".join(str(getattr(error, "message", error)).split())
        raise ModelConfigError(f"{_KEY}: {_why(path, said)}") from error
    _refuse_redefined(path, before)


def _why(path: str, said: str) -> str:
    undefined = _UNDEFINED.search(said)
    if undefined:
        return (
            f"{path} needs the symbol {undefined.group(1)}, which TensorFlow {tf.__version__} "
            "does not have: it was compiled for another version, or was not linked with a library"
        )
    lacking = _LACKING.match(said)
    if lacking and lacking.group(1) != path:
        return (
            f"{path} needs {lacking.group(1)}, which is not found: it was compiled for another "
            f"TensorFlow than {tf.__version__}, or with a library that is not installed"
        )
    return f"{path} cannot be loaded: {said[len(path) + 2 :] if said.startswith(path) else said}"


def _check_file(path: str) -> None:
    """Raise ModelConfigError unless the file is a complete shared object for this machine."""
    with open(sys.executable, "rb") as file:
        own = file.read(20)
    with open(path, "rb") as file:
        head = file.read(64)
        ends = [0] if head[:4] != b"\x7fELF" else list(_segments(file, head))
        size = file.seek(0, os.SEEK_END)
    if head[:4] != b"\x7fELF":
        raise ModelConfigError(f"{_KEY}: {path} is not a shared object (it is not an ELF file)")
    if head[4:6] != own[4:6] or head[18:20] != own[18:20]:
        found, here = (_machine(each) for each in (head, own))
        raise ModelConfigError(f"{_KEY}: {path} is for {found}, and this machine is {here}")
    if size < 64 or size < max(ends):
        raise ModelConfigError(
            f"{_KEY}: {path} is incomplete: its segments end at byte {max(ends)}, and the file at "
            f"{size}; copy it again"
        )


def _machine(head: bytes) -> str:
    order = "<" if head[5:6] == b"\x01" else ">"
    (number,) = struct.unpack_from(order + "H", head.ljust(20, b"\0"), 18)
    return _MACHINES.get(number, f"the machine {number}")


def _segments(file: Any, head: bytes) -> Iterator[int]:
    """Yield the end of each segment in the header of a 64-bit file."""
    yield 64
    if len(head) < 64 or head[4:6] != b"\x02\x01":
        return
    start, size, count = (
        *struct.unpack_from("<Q", head, 32),
        *struct.unpack_from("<HH", head, 54),
    )
    yield start + size * count
    file.seek(start)
    table = file.read(size * count)
    for offset in range(0, len(table) - 55, max(size, 56)):
        begin, _, _, length = struct.unpack_from("<QQQQ", table, offset + 8)
        yield begin + length


_Kernels = Dict[str, List[Any]]


def _kernels() -> _Kernels:
    found: _Kernels = {}
    for each in kernels.get_all_registered_kernels().kernel:
        found.setdefault(each.op, []).append(each)
    return found


def _refuse_redefined(library: str, before: _Kernels) -> None:
    """
    Raise ModelConfigError if a library has registered a second kernel for the same op.

    TensorFlow silently keeps its own definition of such an op. It then finds two kernels, and each
    request that uses the op fails.
    """
    for op, now in _kernels().items():
        old = before.get(op)
        if not old or len(old) == len(now):
            continue
        counted = Counter(each.SerializeToString() for each in old)
        counted.subtract(Counter(each.SerializeToString() for each in now))
        for new in now:
            added = counted[new.SerializeToString()] < 0
            if added and any(_same_work(new, each) for each in old):
                raise ModelConfigError(
                    f"{_KEY}: {library} redefines the op '{op}': it has a second kernel for "
                    f"{new.device_type}, and TensorFlow could not tell which one to run"
                )


def _same_work(one: Any, other: Any) -> bool:
    """Return whether two kernels of an op match the same node."""
    if any(getattr(one, name, 0) != getattr(other, name, 0) for name in _KINDS):
        return False
    theirs = {each.name: _values(each) for each in other.constraint}
    return all(
        not theirs.get(each.name) or not _values(each) or _values(each) & theirs[each.name]
        for each in one.constraint
    )


# Kernels have no `priority` in TensorFlow 1.12.
_KINDS = ("device_type", "label", "priority")


def _values(constraint: Any) -> Set[Any]:
    """Return the values that an attribute may have; an empty set means any."""
    allowed = constraint.allowed_values.list
    return {*allowed.type, *allowed.s, *allowed.i}


def import_contrib(error: Exception) -> bool:
    """
    Import `tf.contrib` if a load failed for an unknown op; return whether it is newly imported.

    Only TensorFlow 1 has it. The import takes 1 to 3 s and 150 MB, so it is done only on demand.
    """
    if _contrib or not UNKNOWN_OP.search(str(error)) or not hasattr(tf, "contrib"):
        return False
    log.info("importing tf.contrib for an op that TensorFlow %s lacks", tf.__version__)
    try:
        # `tf.contrib` is a lazy module, and `dir` makes it import itself.
        _contrib.extend(dir(tf.contrib))
    except ImportError as failure:
        log.warning("tf.contrib cannot be imported: %s", failure)
        return False
    return True


def advice_for_op(op: str) -> str:
    """Return a clause for messages about how to get an op that TensorFlow does not have."""
    for package, pattern in _OF_PACKAGES:
        if re.match(pattern, op):
            return (
                f"the package {package} defines it: name that in {_KEY}; {how_to_add(package)} "
                "adds it to a build"
            )
    return (
        f"if a library defines it, name that in {_KEY}: a shared object, or a package, which "
        f"{how_to_add('PACKAGE')} adds to a build"
    )
