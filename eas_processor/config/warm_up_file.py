"""The requests of `warm_up_data_path`, which an instance answers before it takes others."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path

from eas_processor.config.reading import LoadedService
from eas_processor.config.several_requests import holds_several
from eas_processor.errors import ModelFetchError, WarmUpError
from eas_processor.model_store.fetch import locate, reason


def read_warm_up(loaded: LoadedService) -> list[bytes]:
    """
    Return the requests of `warm_up_data_path`, none if it is not set. Raises WarmUpError.

    A `.txt` file contains one request per line, in base64 or as a JSON object. Any other file is
    the body of one request.
    """
    named = loaded.service.warm_up_data_path
    if not named:
        return []
    try:
        return read_requests(locate(named, loaded, progress=False))
    except ModelFetchError as error:
        raise WarmUpError(f"{loaded.path}: warm_up_data_path: {error}") from error
    except OSError as error:
        raise WarmUpError(f"{loaded.path}: warm_up_data_path: {reason(error)}") from error


def read_requests(path: Path) -> list[bytes]:
    """Return the requests of one warm-up file. Raises ModelFetchError and OSError."""
    content = path.read_bytes()
    if path.suffix.lower() == ".txt":
        requests = _from_lines(path, content)
    else:
        requests = [content] if content else []
        if holds_several(content):
            raise ModelFetchError(
                f"{path} contains several requests, expected one; write several to a .txt file, "
                "one per line, in base64"
            )
    if not requests:
        raise ModelFetchError(f"{path} is empty, expected a serialized request")
    return requests


def _from_lines(path: Path, content: bytes) -> list[bytes]:
    requests = []
    lines = map(bytes.strip, content.removeprefix(b"\xef\xbb\xbf").splitlines())
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            if line.startswith(b"{"):
                json.loads(line)
                requests.append(line)
            else:
                requests.append(base64.b64decode(line, validate=True))
        except (binascii.Error, ValueError, RecursionError) as error:
            raise ModelFetchError(
                f"{path}, line {number}: expected a request, in base64 or a JSON object ({error})"
            ) from None
    return requests
