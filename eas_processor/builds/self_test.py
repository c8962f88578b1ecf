"""
The self-test of a build, run by its own interpreter.

`python -sE self_test.py PACKAGES [LOCK [MODULE ...]]` prints one line for each step and exits with
status 1 at the first failure. With `--import` in place of LOCK, it only imports. MODULE is a module
that the build has beside those of its base. It runs in every build, so it is for Python 3.6.
"""

import base64
import glob
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple


class Failed(Exception):
    """A step found something wrong, in one sentence."""


def main(code: str, lock: str = "", *modules: str) -> int:
    """Run the steps; return the exit status."""
    sys.path.insert(0, code)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    steps: List[Tuple[str, Callable[[], str]]] = [("import", _import), ("fork", _fork)]
    if lock == "--import":
        steps = steps[:1]
    elif lock:
        # Files come first: wrong files would explain any later failure.
        steps.insert(0, ("packages", lambda: _packages(lock)))
    if modules:
        steps.append(("modules", lambda: _modules(modules)))
    for name, step in steps:
        try:
            said = step()
        except Exception as error:
            print(f"FAILED {name}: {_sentence(error)}")
            return 1
        print(f"ok {name}: {said}")
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, Failed):
        return str(error)
    lines = [line for line in str(error).splitlines() if line.strip()]
    return "{}: {}".format(type(error).__name__, lines[-1] if lines else "no message")


def _packages(lock: str) -> str:
    """Compare what is installed with the lock, and each file with the hash that it came with."""
    with open(lock, encoding="ascii") as file:
        wanted = dict(re.findall(r"^([\w.-]+)==(\S+)", file.read(), re.MULTILINE))
    found = {}
    files = 0
    for directory in _distributions():
        name, _, version = os.path.basename(directory)[: -len(".dist-info")].partition("-")
        found[re.sub(r"[-_.]+", "-", name).lower()] = version
        for path, digest in _record(directory):
            _compare(path, digest)
            files += 1
    for name, version in wanted.items():
        if found.get(name) != version:
            raise Failed(
                "{} {} is in the lock, and {} is installed".format(
                    name, version, found.get(name, "none")
                )
            )
    return f"{len(wanted)} packages of the lock, {files} files with the right hash"


def _distributions() -> List[str]:
    site = os.path.join(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
    return sorted(glob.glob(os.path.join(glob.escape(site), "*.dist-info")))


def _record(directory: str) -> Iterator[Tuple[str, str]]:
    import csv

    with open(os.path.join(directory, "RECORD"), newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            # The installer rewrites the first line of scripts, and signs itself as RECORD's writer.
            # Some wheels have a few files of bytecode, which pip compiles again.
            if row and row[1].startswith("sha256=") and not row[0].endswith(".pyc"):
                yield os.path.join(os.path.dirname(directory), row[0]), row[1][len("sha256=") :]


def _compare(path: str, wanted: str) -> None:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}")
    if base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=") != wanted:
        raise Failed(f"{path} is not the file that was installed")


def _import() -> str:
    from eas_processor.tf.runtime import tf
    from eas_processor.worker import process
    from eas_processor.worker.hooks import import_hooks

    import_hooks("eas_processor.tf.hooks")
    how = "forked" if process.thread_count() == 1 else "started one by one"
    return f"TensorFlow {tf.__version__} on Python {sys.version.split()[0]}; workers are {how}"


def _modules(names: Iterable[str]) -> str:
    import importlib
    import importlib.util

    # A package may bring a module of another name, which nothing here knows.
    found = [name for name in names if importlib.util.find_spec(name) is not None]
    for name in found:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise Failed(f"{name} cannot be imported: {_sentence(error)}")
    return "{} imported".format(", ".join(found) or "none")


def _fork() -> str:
    """Answer a request in a child, as a worker does: TensorFlow's threads start after the fork."""
    from eas_processor.worker import process

    scratch = tempfile.mkdtemp(prefix="eas-self-test-")
    try:
        if process.thread_count() == 1:
            # A child writes the model too, because a session would start threads in this process.
            _in_child(lambda: _save(os.path.join(scratch, "model")))
            answer = _in_child(lambda: _predict(os.path.join(scratch, "model")))
        else:
            _save(os.path.join(scratch, "model"))
            answer = _predict(os.path.join(scratch, "model"))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if answer != [1.0, 3.0, 5.0]:
        raise Failed(f"2 x + 1 of 0, 1 and 2 was answered with {answer}")
    return "a model was written, loaded in a worker and answered a request"


def _in_child(work: Callable[[], Any]) -> Any:
    sys.stdout.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result: Dict[str, Any] = {"value": work()}
        except BaseException as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        answer = file.read()
    status = os.waitpid(pid, 0)[1]
    if not answer:
        raise Failed(f"a forked worker ended with wait status {status}")
    outcome = json.loads(answer.decode())
    if "error" in outcome:
        raise Failed(outcome["error"])
    return outcome["value"]


def _save(path: str) -> None:
    from eas_processor.tf.runtime import tf, v1

    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [None], "x")
        y = tf.add(x * 2.0, 1.0, name="y")
        info = v1.saved_model.utils.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            {"x": info(x)}, {"y": info(y)}, "tensorflow/serving/predict"
        )
        builder = v1.saved_model.builder.SavedModelBuilder(path)
        builder.add_meta_graph_and_variables(session, ["serve"], {"double": signature})
        builder.save()


def _predict(path: str) -> List[float]:
    import numpy as np

    import eas_wire as wire
    from eas_processor.codecs.eas_json.codec import EasJson
    from eas_processor.tf import hooks

    model = hooks.initialize(path, "")
    x = np.array([0.0, 1.0, 2.0], np.float32)
    request = wire.Request("double", {"x": wire.Tensor(wire.DT_FLOAT, x)}, ["y"])
    answer = wire.decode_response(hooks.process(model, wire.encode_request(request)))
    values = [float(value) for value in answer["y"].array]
    text = hooks.process(model, b'{"inputs": [0, 1, 2]}', EasJson.number).decode()
    if text != json.dumps({"outputs": values}):
        raise Failed(f"0, 1 and 2 in JSON were answered with {text}")
    return values


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
