from __future__ import annotations

import pytest

from eas_processor.instances.last_words import LastWords, without_frames

OLD = "2026-11-28 10:00:00.123456: F tensorflow/core/framework/tensor_shape.cc:44] "
CHECK = "Check failed: NDIMS == dims() (1 vs. 2)Asking for tensor of 1 dimensions"
ENDS = {
    "a check of TensorFlow 1": (f"{OLD}{CHECK}\nAborted (core dumped)", CHECK),
    "a check of TensorFlow 2.21": (
        f"""\
I0000 00:00:1795860624.478525   28726 cpu_feature_guard.cc:227] optimized
F0000 00:00:1795860624.478525   28726 tensor_shape.cc:587] {CHECK}
*** Check failure stack trace: ***
    @     0x7f66a4c7a1b4  absl::lts_20230802::log_internal::LogMessage::SendToLog()
    @     0x7f66a4c79e56  absl::lts_20230802::log_internal::LogMessageFatal::~LogMessageFatal()
    @     0x55d0d9e8d1f5  _start""",
        CHECK,
    ),
    "an instruction that the CPU lacks": (
        "2026-11-28 10:00:00.1: F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow "
        "library was compiled to use AVX2 instructions, but these aren't available on your "
        "machine.",
        "The TensorFlow library was compiled to use AVX2 instructions, but these aren't available "
        "on your machine.",
    ),
    "an exception of C++": (
        "terminate called after throwing an instance of 'std::bad_alloc'\n"
        "  what():  std::bad_alloc",
        "terminate called after throwing an instance of 'std::bad_alloc': std::bad_alloc",
    ),
    "a crash that Python tells of": (
        "Fatal Python error: Segmentation fault\n\n"
        "Current thread 0x00007f (most recent call first):\n"
        '  File "/a/b.py", line 3 in load\n  File "/a/c.py", line 9 in <module>\n\n'
        "Extension modules: numpy.core._multiarray_umath (total: 1)",
        "Fatal Python error: Segmentation fault",
    ),
    "an exception of Python": (
        "ERROR the worker failed, and exits\nTraceback (most recent call last):\n"
        '  File "/a/b.py", line 3, in load\n'
        '    raise SystemExit("no licence")\nSystemExit: no licence',
        "SystemExit: no licence",
    ),
    "an error of TensorFlow, with its frames after it": (
        "tensorflow.errors.InvalidArgumentError: bad shape\n\t [[{{node y}}]]\n\n"
        "Original stack trace for 'y':\n  File \"/a/b.py\", line 3, in load",
        "tensorflow.errors.InvalidArgumentError: bad shape",
    ),
    "two libraries of OpenMP": (
        "OMP: Error #15: Initializing libiomp5.so, but found libomp.so already initialized.\n"
        "OMP: Hint This means that multiple copies of the OpenMP runtime have been linked.",
        "OMP: Error #15: Initializing libiomp5.so, but found libomp.so already initialized.",
    ),
    "frames of a C++ library": (
        "license check failed: no key\n#0 0x7f12 in check() at a.cc:3\n[0x7ffd] main\n@ 0x12 f()",
        "license check failed: no key",
    ),
    "too few processes allowed": (
        "OpenBLAS blas_thread_init: pthread_create failed: Resource temporarily unavailable\nmore",
        "OpenBLAS blas_thread_init: pthread_create failed: Resource temporarily unavailable",
    ),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("case", ENDS)
def test_the_check_that_failed_is_what_is_told(case: str) -> None:
    printed, told = ENDS[case]
    words = LastWords()
    for line in filter(None, printed.split("\n")):
        words.note(line)
    assert str(words) == told


def test_a_line_of_any_length_is_cut() -> None:
    words = LastWords()
    words.note("x" * 5000)
    assert len(str(words)) == 1000
    words.note("terminate called " + "x" * 5000)
    words.note("  what():  " + "y" * 5000)
    assert len(str(words)) == 1000


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("no such file: model.pb",) * 2,
        ("bad config:\n  - key a is missing\n", "bad config: - key a is missing"),
        (
            "InvalidArgumentError: Graph execution error:\n\nDetected at node 'y' defined at (most "
            'recent call last):\n  File "/a/b.py", line 3, in load\n    y = f(x)\n'
            "Node: 'y'\nbad shape\n\t [[{{node y}}]]\n\nOriginal stack trace for 'y':\n"
            '  File "/a/b.py", line 3, in load\n    y = f(x)\n',
            "InvalidArgumentError: Graph execution error: Node: 'y' bad shape",
        ),
        ('Traceback (most recent call last):\n  File "/a", line 1\nKeyError: 1', "KeyError: 1"),
        ("", ""),
    ],
)
def test_a_reason_is_told_without_frames(reason: str, told: str) -> None:
    assert without_frames(reason) == told
