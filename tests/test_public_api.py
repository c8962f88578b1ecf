"""What users rely on stays: names, parameters, options, keys, metrics and statuses."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
LISTED = (ROOT / "tests" / "public_api.txt").read_text(encoding="utf-8").splitlines()


def test_nothing_is_taken_away_or_renamed() -> None:
    here = set(runpy.run_path(str(ROOT / "tools" / "public_api.py"))["lines"]())
    gone = [each for each in LISTED if each not in here]
    assert gone == [], "users rely on these; docs/compatibility.md says what a removal needs"


def test_what_is_new_is_listed() -> None:
    here = runpy.run_path(str(ROOT / "tools" / "public_api.py"))["lines"]()
    new = sorted(set(here) - set(LISTED))
    assert new == [], "run: python tools/public_api.py"


def test_the_list_has_all_kinds() -> None:
    kinds = {each.split()[0] for each in LISTED}
    assert kinds == {"python", "command", "key", "metric", "status"}
    assert "key metadata.rpc.batching" in LISTED
    assert "status QUEUE_FULL EAS 450 REST 503" in LISTED
    assert "python eas_prediction.PredictClient.set_token(self, token)" in LISTED
