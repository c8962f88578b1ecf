import json
import threading

import pytest

from eas_processor.link.codes import INTERNAL, OK, PROCESSOR, UNIMPLEMENTED
from eas_processor.link.frames import (
    BULK_SIZE,
    CANCEL,
    EAS_JSON,
    FAILED,
    HEARTBEAT,
    PREDICT,
    REPLY,
    STOP,
    WARMED,
)

pytestmark = pytest.mark.medium


def processor(tmp_path, source):
    """Write a module of hooks; `source` may replace its plain `initialize` and `process`."""
    path = tmp_path / "processor_under_test.py"
    path.write_text(
        "def initialize(entry, config): return entry\n"
        "def process(model, request): return bytes(request)\n" + source
    )
    return str(path)


def test_ready_carries_what_the_hooks_say_of_the_model(engine):
    _, worker = engine.worker()
    facts = json.loads(worker.said.decode())
    assert facts["info_code"] == OK
    assert json.loads(facts["info"])["signature_name"] == "echo"


def test_ready_says_so_when_the_hooks_describe_nothing(engine):
    _, worker = engine.worker("threaded.py")
    facts = json.loads(worker.said.decode())
    assert (facts["info_code"], facts["info"]) == (
        UNIMPLEMENTED,
        "this processor does not describe its model",
    )


def test_beats_while_it_has_nothing_to_do_and_while_it_runs(engine):
    _, worker = engine.worker()
    assert worker.control.next()[0] == HEARTBEAT
    worker.data.send(PREDICT, b"sleep 60", 1)
    assert worker.control.next()[0] == HEARTBEAT


def test_the_collector_is_settled_before_ready_and_again_after_warm_up(engine, tmp_path):
    source = (
        "import gc\n"
        "calls, collect = [], gc.collect\n"
        "def initialize(entry, config): calls.clear()\n"
        "def process(model, request): return b'%d' % len(calls)\n"
        "gc.collect = lambda: calls.append(collect())\n"
    )
    _, worker = engine.worker(processor(tmp_path, source))
    assert worker.ask(b"") == (OK, b"1")
    worker.control.send(WARMED)
    assert worker.control.next()[0] == HEARTBEAT
    assert worker.ask(b"") == (OK, b"2")


@pytest.mark.parametrize("command, expected", [(b"refuse", PROCESSOR), (b"fail", INTERNAL)])
def test_a_refused_request_is_answered_and_the_next_one_too(engine, command, expected):
    _, worker = engine.worker()
    assert worker.ask(command)[0] == expected
    assert worker.ask(b"hello") == (OK, b"hello")


def test_a_body_of_many_megabytes_goes_there_and_back_on_the_bulk_channel(engine):
    _, worker = engine.worker("threaded.py")
    body = bytes(bytearray(range(251))) * 20000
    sender = threading.Thread(target=worker.bulk.send, args=(PREDICT, body, 5))
    sender.start()
    assert worker.bulk.next() == (REPLY, OK, 5, body)
    sender.join()


def test_a_request_in_json_is_answered_in_json_on_either_channel(engine):
    _, worker = engine.worker()
    worker.data.send(PREDICT, b"[1]", 1, codec=EAS_JSON)
    assert worker.data.next() == (REPLY, OK, 1, b'{"echo": [1]}')
    worker.bulk.send(PREDICT, b"[1]" + b" " * BULK_SIZE, 2, codec=EAS_JSON)
    assert worker.bulk.next() == (REPLY, OK, 2, b'{"echo": [1]}')


def test_large_answers_to_small_requests_do_not_mix_with_the_bulk_channels_own(engine):
    _, worker = engine.worker(threads=2)
    for _ in range(10):
        worker.data.send(PREDICT, b"grow 3000000", 0)
        for number in range(1, 11):
            worker.bulk.send(PREDICT, b"small", number)
        sizes = {}
        while len(sizes) < 11:
            kind, status, number, payload = worker.bulk.next()
            assert (kind, status) == (REPLY, OK)
            sizes[number] = len(payload)
        assert sizes.pop(0) == 3000000
        assert set(sizes.values()) == {5}


def test_answers_up_to_the_limit_stay_on_the_data_channel(engine):
    _, worker = engine.worker()
    assert worker.ask(b"grow %d" % BULK_SIZE) == (OK, b"x" * BULK_SIZE)
    worker.data.send(PREDICT, b"grow %d" % (BULK_SIZE + 1), 2)
    assert worker.bulk.next()[2] == 2


def test_a_cancel_for_a_request_that_it_does_not_hold_changes_nothing(engine):
    _, worker = engine.worker()
    worker.data.send(CANCEL, number=12)
    assert worker.ask(b"hello") == (OK, b"hello")


def test_stop_ends_it_in_the_middle_of_a_run(engine):
    _, worker = engine.worker()
    worker.data.send(PREDICT, b"sleep 60", 1)
    worker.control.send(STOP)
    assert engine.exited(worker.pid) == 0


@pytest.mark.parametrize("channel", ["control", "data", "bulk"])
def test_ends_when_one_of_its_sockets_closes(engine, channel):
    _, worker = engine.worker()
    getattr(worker, channel).sock.close()
    assert engine.exited(worker.pid) == 0


def test_ends_though_its_answer_cannot_be_sent(engine):
    _, worker = engine.worker()
    # Fills the socket: nobody reads here, so the worker is within sendall when the socket closes.
    worker.data.send(PREDICT, b"grow 60000000", 1)
    assert worker.bulk.sock.recv(1)
    worker.bulk.sock.close()
    assert engine.exited(worker.pid) == 0


@pytest.mark.parametrize(
    "config, sentence",
    [
        ("refuse", b"this model is refused"),
        ("fail", b"the processor failed to load the model: RuntimeError: initialize fails"),
    ],
)
def test_a_model_that_does_not_load_is_reported(engine, config, sentence):
    _, launcher = engine.start("echo.py")
    worker = engine.launch(launcher, config=config)
    assert (worker.kind, worker.said) == (FAILED, sentence)


def test_a_crash_while_loading_is_seen_as_such(engine):
    _, launcher = engine.start("echo.py")
    with pytest.raises(ConnectionError):
        engine.launch(launcher, config="die")
    assert engine.exited(engine.last) & 0x7F == 6


def test_what_the_hooks_and_their_libraries_print_is_relayed_line_by_line(engine, tmp_path):
    source = (
        "import logging, os\n"
        "logging.basicConfig(format='another %(message)s')\n"
        "def process(model, request):\n"
        "    print('said \\u00e9')\n"
        "    logging.getLogger('lib').warning('logged')\n"
        "    os.write(2, b'from C\\n')\n"
        "    return b''\n"
    )
    _, worker = engine.worker(processor(tmp_path, source))
    assert worker.ask(b"") == (OK, b"")
    lines = worker.printed(b"from C\n").splitlines()
    assert lines == ["said \u00e9", "WARNING logged", "from C"]


def test_a_traceback_of_the_hooks_is_in_the_log(engine):
    _, worker = engine.worker()
    assert worker.ask(b"fail")[0] == INTERNAL
    text = worker.printed(b"failed as asked\n")
    assert text.startswith("ERROR the processor raised an unexpected error\nTraceback")


def test_a_hook_that_ends_the_load_is_reported(engine, tmp_path):
    source = "import sys\ndef initialize(entry, config): sys.exit(3)\n"
    _, launcher = engine.start(processor(tmp_path, source))
    worker = engine.launch(launcher, config="any")
    assert worker.kind == FAILED
    assert worker.said == b"the processor failed to load the model: SystemExit: 3"


def test_requests_are_run_in_batches_when_the_hooks_can(engine, tmp_path):
    source = (
        "import threading\n"
        "go = threading.Event()\n"
        "def process(model, request):\n"
        "    go.wait(30)\n"
        "    return b'1'\n"
        "def batch_process(model, requests):\n"
        "    return [b'%d' % len(requests)] * len(requests)\n"
        "def get_serving_model_info(model):\n"
        "    threading.Timer(0, go.set).start()\n"
        "    return b''\n"
    )
    _, worker = engine.worker(processor(tmp_path, source), threads=1, batch_size=4)
    for number in range(5):
        worker.data.send(PREDICT, b"", number)
    answers = [worker.data.next()[3] for _ in range(5)]
    assert all(1 <= int(answer) <= 4 for answer in answers)


def test_a_batch_size_means_nothing_to_hooks_that_run_one_by_one(engine):
    _, worker = engine.worker("threaded.py", batch_size=8)
    for number in range(4):
        worker.data.send(PREDICT, b"%d" % number, number)
    assert [worker.data.next()[3] for _ in range(4)] == [b"0", b"1", b"2", b"3"]
