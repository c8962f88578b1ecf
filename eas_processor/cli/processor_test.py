"""`eascmd processor test`: a processor's hooks with one request, without a service."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from eas_prediction import TFResponse
from eas_processor.builds.worker_code import worker_code_directory
from eas_processor.errors import CallError, StartError
from eas_processor.processors.entry import find_entry_file
from eas_processor.processors.environment import REQUIREMENTS, environment_python

_ARRAY_PROTO, _JSON = 0, 1
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from eas_processor.worker.trial import main; main()"
)


def test_hooks(
    processor: Path, model: Path | None, *, entry: str, config: str, body: bytes, as_json: bool
) -> None:
    """
    Run one request through the hooks, and print the answer. Raises CallError if it is refused.

    The hooks run in the interpreter that a service would use. Without a body, the request is empty.
    """
    if not processor.exists():
        raise StartError(f"{processor}: no such file or directory")
    directory, named = (
        (processor, entry) if processor.is_dir() else (processor.parent, processor.name)
    )
    path, _ = find_entry_file(directory.absolute(), named, "")
    python = Path(sys.executable)
    if (path.parent / REQUIREMENTS).is_file():
        python = environment_python(path.parent / REQUIREMENTS, "", python)
    loaded = (model or directory).absolute()
    if not loaded.exists():
        raise StartError(f"{loaded}: no such file or directory")
    code, answer = _run(
        python, [str(path), str(loaded), config, str(_JSON if as_json else _ARRAY_PROTO)], body
    )
    if code != "OK":
        raise CallError(f"{code}: {answer.decode(errors='replace')}")
    _show(answer)


def _run(python: Path, arguments: list[str], body: bytes) -> tuple[str, bytes]:
    """Return the name of the request's status code, and the answer."""
    ours, theirs = os.pipe()
    command = [str(python), "-c", _PROGRAM, str(worker_code_directory()), *arguments, str(theirs)]
    with open(ours, "rb") as answers:
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs])
        except OSError as error:
            raise StartError(f"{python} cannot be started: {error.strerror}") from error
        finally:
            os.close(theirs)
        with process:
            assert process.stdin is not None
            process.stdin.write(body)
            process.stdin.close()
            answer = answers.read()
    code, separator, payload = answer.partition(b"\n")
    if not separator:
        raise CallError(f"the processor ended with status {process.returncode} and no answer")
    return code.decode(), payload


def _show(answer: bytes) -> None:
    """Print text unchanged, a PredictResponse as JSON, and anything else as bytes."""
    outputs = {}
    with contextlib.suppress(Exception):
        outputs = TFResponse(answer).to_dict()
    # Some text is a message without outputs to protobuf, such as `1,234,567`.
    if outputs:
        print(json.dumps({name: each.tolist() for name, each in outputs.items()}, default=str))
        return
    try:
        print(answer.decode("utf-8"))
    except UnicodeDecodeError:
        sys.stdout.buffer.write(answer)
