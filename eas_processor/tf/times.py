"""Where the time of the last batch went, for each thread of the worker."""

import threading
from typing import Tuple


class RunTimes(threading.local):
    """Seconds of decoding, running and encoding, and the rows that were run, of this thread."""

    def __init__(self) -> None:
        self.rows = 0
        self.decode = self.run = self.encode = 0.0

    def take(self) -> Tuple[int, float, float, float]:
        """Return rows and seconds since the last call, and begin anew."""
        taken = self.rows, self.decode, self.run, self.encode
        self.rows = 0
        self.decode = self.run = self.encode = 0.0
        return taken
