"""The times of the last batch, for each thread of the worker."""

import threading
from typing import List, Tuple


class RunTimes(threading.local):
    """The seconds of decoding, running and encoding, and the rows of each run, of this thread."""

    def __init__(self) -> None:
        self.rows: List[int] = []
        self.decode = self.run = self.encode = 0.0

    def take(self) -> Tuple[List[int], float, float, float]:
        """Return the rows of each run, and the seconds of each step, and reset them."""
        taken = self.rows, self.decode, self.run, self.encode
        self.rows = []
        self.decode = self.run = self.encode = 0.0
        return taken
