"""Support file names beyond ASCII, even if the locale does not."""

from __future__ import annotations

import codecs
import os
import sys


def run_in_utf8_mode() -> None:
    """
    Restart this program in Python's UTF-8 mode if the locale limits file names to ASCII.

    Call this first. Python chooses that mode itself with `LC_ALL=C`, unless `PYTHONUTF8=0` is set.
    """
    if codecs.lookup(sys.getfilesystemencoding()).name == "ascii" and sys.executable:
        os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
