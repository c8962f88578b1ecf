import subprocess
import sys

import pytest
from fixtures import need

pytestmark = pytest.mark.medium

need.module("tensorflow")


def test_importing_starts_nothing_and_says_nothing():
    code = (
        "import os; os.environ['OPENBLAS_NUM_THREADS'] = '1'; import eas_processor.tf.hooks; "
        "print(len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True
    )
    assert done.stderr == b""
    assert done.stdout == b"1\n"
