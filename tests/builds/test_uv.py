from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.builds.uv import explain, run_uv
from eas_processor.errors import BuildError


def test_a_hash_that_differs_is_one_sentence() -> None:
    said = (
        "  x Failed to download `tiny==1.0`\n  ╰─▶ Hash mismatch for `tiny==1.0`\n\n"
        "      Expected:\n        sha256:aa\n\n      Computed:\n        sha256:bb\n"
    )
    assert explain(said) == (
        "what was downloaded for tiny==1.0 is not what the lock names, and was refused "
        "(expected sha256:aa, got sha256:bb)"
    )


def test_what_went_well_is_left_out() -> None:
    said = "Using Python 3.7.16 environment at: x\nResolved 3 packages in 1ms\nerror: No room\n"
    assert explain(said) == "No room"


def test_no_word() -> None:
    assert explain("") == "uv failed without a word"


def test_a_refusal_names_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"^some cannot be made: .*nonsense"):
        run_uv("some", ["nonsense"], directory=tmp_path)


def test_a_stop_does_not_wait_for_uv(tmp_path: Path) -> None:
    slow = tmp_path / "uv"
    slow.write_text("#!/bin/sh\nexec sleep 600\n")
    slow.chmod(0o755)
    code = (
        "import sys, threading, time\n"
        "from pathlib import Path\n"
        "from eas_processor.builds import uv\n"
        f"uv.uv = lambda: {str(slow)!r}\n"
        "arguments = ('some', ['pip'])\n"
        f"keys = {{'directory': Path({str(tmp_path)!r})}}\n"
        "threading.Thread(target=uv.run_uv, args=arguments, kwargs=keys, daemon=True).start()\n"
        "while threading.active_count() < 3:\n"
        "    time.sleep(0.01)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
