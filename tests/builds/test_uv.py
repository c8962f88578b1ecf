from __future__ import annotations

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
