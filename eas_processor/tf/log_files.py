"""The rotating files of a request log."""

import glob
import os
import time
from typing import BinaryIO, List, Optional

MAX_BYTES = 64 << 20
MAX_AGE_S = 3600.0
MAX_FILES = 16


class LogFiles:
    """
    TFRecord files whose paths begin with `prefix`, with a new file after 64 MiB or an hour.

    Only the 16 newest files of all processes are kept, so a log takes at most 1 GiB of the disk.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._file: Optional[BinaryIO] = None
        self._written = 0
        self._since = 0.0
        self._count = 0

    def write(self, records: List[bytes]) -> None:
        """Append whole records. Raises OSError; after that, the next call begins a new file."""
        try:
            for record in records:
                self._open_for(len(record)).write(record)
                self._written += len(record)
            if self._file is not None:
                self._file.flush()
        except OSError:
            self._file = None
            raise

    def _open_for(self, size: int) -> BinaryIO:
        full = self._written and self._written + size > MAX_BYTES
        if self._file is not None and not full and time.monotonic() - self._since < MAX_AGE_S:
            return self._file
        if self._file is not None:
            self._file.close()
            self._file = None
        os.makedirs(os.path.dirname(self._prefix) or ".", exist_ok=True)
        self._count += 1
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        path = "%s.%s-%d-%04d.tfrecord" % (self._prefix, moment, os.getpid(), self._count)
        # Only this user may read the data of clients.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "ab")
        self._written, self._since = 0, time.monotonic()
        self._remove_oldest()
        return self._file

    def _remove_oldest(self) -> None:
        found = []
        for path in glob.glob(glob.escape(self._prefix) + ".*.tfrecord"):
            try:
                found.append((os.stat(path).st_mtime, path))
            except OSError:
                continue  # another process has removed it
        for _, path in sorted(found)[:-MAX_FILES]:
            try:
                os.unlink(path)
            except OSError:
                continue
