"""File names beyond ASCII, also where the locale has none."""

from __future__ import annotations

import codecs
import os
import sys


def run_in_utf8_mode() -> None:
    """
    Run this program anew in Python's UTF-8 mode where it could name ASCII files alone; call first.

    Python takes that mode by itself with `LC_ALL=C`, unless `PYTHONUTF8=0` forbids it.
    """
    if codecs.lookup(sys.getfilesystemencoding()).name == "ascii" and sys.executable:
        os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
