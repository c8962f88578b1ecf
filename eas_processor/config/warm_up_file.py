"""The requests that an instance answers before it takes traffic."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from eas_processor.config.reading import LoadedService
from eas_processor.errors import ModelFetchError, WarmUpError
from eas_processor.model_store.fetch import locate, reason


def read_warm_up(loaded: LoadedService) -> list[bytes]:
    """
    Return the requests of `warm_up_data_path`, none when it is not set; raises WarmUpError.

    A `.txt` file holds one request a line, in base64; any other file is one request as it is sent.
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
    """Return the requests of one warm-up file; raises ModelFetchError and OSError."""
    content = path.read_bytes()
    if path.suffix.lower() == ".txt":
        requests = _from_lines(path, content)
    else:
        requests = [content] if content else []
    if not requests:
        raise ModelFetchError(f"{path} is empty, expected a serialized request")
    return requests


def _from_lines(path: Path, content: bytes) -> list[bytes]:
    requests = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            requests.append(base64.b64decode(line.strip(), validate=True))
        except binascii.Error as error:
            raise ModelFetchError(
                f"{path}, line {number}: expected a request in base64 ({error})"
            ) from None
    return requests
