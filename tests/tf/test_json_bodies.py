"""Large JSON bodies: one at a time, the same errors as small ones, and no long waits for others."""

import gc
import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.codecs.eas_json import limits, pieces
from eas_processor.codecs.eas_json import text as json_text
from eas_processor.codecs.eas_json.codec import EasJson
from eas_processor.codecs.eas_json.pieces import PIECE
from eas_processor.codecs.eas_json.turns import turn
from eas_processor.codecs.errors import CodecError
from eas_processor.tf import hooks
from eas_processor.tf.runtime import tf, v1

pytestmark = pytest.mark.medium

EAS_JSON = EasJson.number

# Of threads that wait for the interpreter: a tenth of a second on a machine that is not busy. When
# a body was parsed at once it was 2 to 17 s.
WAIT_S = 1.5


def count():
    x = v1.placeholder(tf.float32, None, name="x")
    return {"serving_default": ({"x": x}, {"n": tf.size(x)})}


def integers():
    x = v1.placeholder(tf.int64, None, name="x")
    return {"serving_default": ({"x": x}, {"n": tf.size(x)})}


def refusal(model, body):
    with pytest.raises(CodecError) as caught:
        hooks.process(model, body, EAS_JSON)
    return str(caught.value)


class Ticks:
    """A thread that wants to run every millisecond; `longest` is its longest wait."""

    def __enter__(self):
        self.longest = 0.0
        self._goes_on = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def _run(self):
        last = time.perf_counter()
        while self._goes_on:
            time.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now

    def __exit__(self, *_):
        self._goes_on = False
        self._thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    "element, times", [(b"[]", 2400000), (b"[0.5]", 1800000), (b"0.5", 4800000)]
)
def test_the_largest_bodies_are_answered_and_stop_nobody(load, element, times):
    model = load(count)
    body = b'{"inputs":[' + (element + b",") * times + element + b"]}"
    with Ticks() as ticks:
        answer = json.loads(hooks.process(model, body, EAS_JSON).decode())
    assert answer == {"outputs": 0 if element == b"[]" else times + 1}
    assert ticks.longest < WAIT_S


@pytest.mark.slow
@pytest.mark.parametrize(
    "body, sentence",
    [
        (b'{"inputs":[' + b"[]," * 22000000 + b"[]]}", " MB of memory (limit 512 MB)"),
        (b'{"inputs":[' + b"[0.5]," * 1800000 + b"[true]]}", "at [1800000][0]: expected a number"),
        (b'{"inputs":[' + b"[]," * 2400000 + b"[}]}", "line 1 column 7200013: Expecting value"),
        (b'{"inputs":[' + b'[],"' * 1600000, "line 1 column 20: Expecting ',' delimiter"),
    ],
    ids=["too many", "a value that does not fit", "a fault at the end", "a fault early"],
)
def test_refused_bodies_stop_nobody(load, body, sentence):
    model = load(count)
    with Ticks() as ticks:
        assert sentence in refusal(model, body)
    assert ticks.longest < WAIT_S


def test_one_large_body_is_decoded_at_a_time(load, monkeypatch):
    model = load(count)
    read, running, most = pieces.PieceReader.read, [], []

    def watched(reader):
        running.append(reader)
        most.append(len(running))
        time.sleep(0.02)
        try:
            return read(reader)
        finally:
            running.remove(reader)

    monkeypatch.setattr(pieces.PieceReader, "read", watched)
    body = b'{"inputs": [1]' + b" " * PIECE + b"}"
    threads = [
        threading.Thread(target=hooks.process, args=(model, body, EAS_JSON)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_a_small_body_does_not_wait_for_its_turn(load):
    model = load(count)
    with turn():
        assert hooks.process(model, b'{"inputs": [1, 2]}', EAS_JSON) == b'{"outputs": 2}'


def test_the_collector_rests_during_a_turn_and_not_after():
    assert gc.isenabled()
    with pytest.raises(ValueError), turn():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()
    gc.disable()
    try:
        with turn():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_refusal_keeps_no_values(load):
    model = load(count)
    body = b'{"inputs":[' + b"[0.5]," * 20000 + b"true]}"
    with pytest.raises(CodecError) as caught:
        hooks.process(model, body, EAS_JSON)
    error, frames = caught.value, []
    assert error.__context__ is None and error.__cause__ is None
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "read_tensor" not in frames


@pytest.mark.parametrize("padding", ["", " " * PIECE], ids=["small", "large"])
@pytest.mark.parametrize(
    "value",
    [
        "99999999999999999999",
        "[1, -9223372036854775809]",
        "1e3",
        '"' + "x" * 100 + '"',
        "[1, 2",
        "\xff",
    ],
)
def test_refusals_are_those_of_the_standard_library(load, monkeypatch, padding, value):
    model = load(integers)
    body = ('{"inputs": {"x": ' + value + "}" + padding + "}").encode("latin-1")
    with_both = refusal(model, body)
    monkeypatch.setattr(json_text, "orjson", None)
    assert refusal(model, body) == with_both
    if value.startswith("999"):
        assert with_both.endswith(
            "takes -9223372036854775808 to 9223372036854775807, got 99999999999999999999"
        )


MEASURE = """
import sys
import numpy as np
from eas_processor.codecs.eas_json import limits
from eas_processor.codecs.eas_json.inputs import read_tensor
from eas_processor.codecs.eas_json.pieces import PieceReader
from eas_processor.codecs.errors import CodecError
from eas_processor.tf.model.signatures import TensorSpec

def high():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1000

dtype, unit = int(sys.argv[1]), sys.argv[2].encode() + b","
weight = limits._weigh(np.frombuffer(unit * 1000, np.uint8)) / 1000
times = min(int(0.99e6 * limits.MAX_MB / weight), 64 * 1024 * 1024 // len(unit))
text = np.frombuffer(b"[" + unit * times + unit[:-1] + b"]", np.uint8)
before = high()
reader = PieceReader(text, exact=False)
value = reader.read()
try:
    read_tensor(TensorSpec("x", "x:0", dtype, None), value)
except CodecError:
    pass
print(high() - before)
"""

DT_FLOAT, DT_STRING = 1, 7


NAMES = ["lists", "ones", "triples", "numbers", "objects", "names"]
NAMES += ["strings", "wide", "escapes", "long", "longwide", "b64"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype, unit",
    [
        (DT_FLOAT, "[]"),
        (DT_FLOAT, "[0.5]"),
        (DT_FLOAT, "[0.5,0.25,0.125]"),
        (DT_FLOAT, "0.5"),
        (DT_FLOAT, "{}"),
        (DT_FLOAT, '{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0}'),
        (DT_STRING, '"abcd"'),
        (DT_STRING, '"' + "a\U0001f600" * 8 + '"'),
        (DT_STRING, '"' + "ab\\n" * 1000 + '"'),
        (DT_STRING, '"' + "a" * 100000 + '"'),
        (DT_STRING, '"' + "a" * 100000 + '\U0001f600"'),
        (DT_STRING, '{"b64":"AAAA"}'),
    ],
    ids=NAMES,
)
def test_the_memory_that_the_largest_bodies_take(dtype, unit):
    command = [sys.executable, "-c", MEASURE, str(dtype), unit]
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONIOENCODING="utf-8")
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
    megabytes = float(done.stdout.split()[-1])
    print(f"{megabytes:.0f} MB")
    assert megabytes < limits.MAX_MB


def test_an_image_is_the_same_from_a_large_body_and_from_a_small_one(load):
    def echo():
        x = v1.placeholder(tf.float32, [None, 60, 60, 3], name="x")
        return {"serving_default": ({"x": x}, {"y": tf.identity(x)})}

    model = load(echo)
    pixels = np.random.RandomState(5).rand(4, 60, 60, 3).astype(np.float32)
    body = json.dumps({"instances": pixels.tolist()}).encode()
    assert len(body) > PIECE
    got = json.loads(hooks.process(model, body, EAS_JSON).decode())["predictions"]
    assert np.array_equal(np.array(got, np.float32), pixels)
