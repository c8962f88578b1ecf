import ctypes
import os
import resource
import signal
import threading

import numpy as np
import pytest
from fixtures.compiled import shared_object

from eas_processor.link.codes import INTERNAL, OK, PROCESSOR, pack_status
from eas_processor.link.frames import EAS_JSON, FAILED, PREDICT, READY, REPLY
from eas_processor.worker.hooks import HooksError, Processor, import_hooks

pytestmark = pytest.mark.medium

MACHINE = 183 if os.uname().machine == "aarch64" else 62
REQUESTS = [b"one", b"two", memoryview(bytearray(b"three")), b""]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return str(tmp_path_factory.mktemp("processors"))


@pytest.fixture(scope="module")
def plain(directory):
    return shared_object(os.path.join(directory, "plain.so"))


@pytest.fixture(scope="module")
def batching(directory):
    return shared_object(os.path.join(directory, "batching.so"), "-DBATCH")


@pytest.fixture(scope="module")
def throwing(directory):
    path = os.path.join(directory, "throwing.so")
    return shared_object(path, source="processor.cpp")


@pytest.fixture(scope="module")
def processor(plain):
    return Processor(import_hooks(plain), "/models/r\u00e4nk", '{"depth": 3}')


def own(status, body=b"no"):
    return PROCESSOR, pack_status(status, body)


def test_process_answers_bytes_with_bytes(processor):
    for body in (b"hello", b"with\0nul", b"x" * 100000):
        assert processor.process(body) == (OK, body)


def test_a_body_in_json_goes_to_process_as_it_came(processor):
    assert processor.process(b"[1]", EAS_JSON) == (OK, b"[1]")


def test_an_empty_request_is_one_of_size_0(processor):
    assert processor.process(b"") == (OK, b"")
    assert processor.process(memoryview(bytearray())) == (OK, b"")
    assert processor.describe()[0] != OK


def test_the_text_of_both_arguments_of_initialize_stays_where_it_was(processor):
    junk = [b"x" * length for length in range(1000)]
    expected = '/models/r\u00e4nk\n{"depth": 3}'.encode()
    assert processor.process(b"model") == (OK, expected)
    del junk


@pytest.mark.parametrize("status", [0, 200])
def test_success(processor, status):
    assert processor.process(b"status %d" % status) == (OK, b"no")
    assert processor.process(b"nothing %d" % status) == (OK, b"")


@pytest.mark.parametrize("status", [201, 302, 400, 404, 450, 500, 599])
def test_a_status_of_http_is_passed_on_with_the_output(processor, status):
    assert processor.process(b"status %d" % status) == own(status)


@pytest.mark.parametrize("status", [1, -1, 100, 199, 600, 70000, -(2**31)])
def test_any_other_number_is_400(processor, status):
    assert processor.process(b"status %d" % status) == own(400)
    said = b"plain.so answered %d" % status
    assert processor.process(b"nothing %d" % status) == own(400, said)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_that_cannot_have_a_body_has_none(processor, status):
    assert processor.process(b"status %d" % status) == own(status, b"")


@pytest.mark.parametrize("request_", [b"size -1", b"size -2147483648", b"nowhere 5", b"nowhere -5"])
def test_an_output_that_cannot_be_is_the_processors_fault(processor, request_):
    size = request_.split()[1]
    where = b" at NULL" if request_.startswith(b"nowhere") else b""
    expected = b"plain.so returned an output of %s bytes%s" % (size, where)
    assert processor.process(request_) == (INTERNAL, expected)


def test_an_output_of_size_0_is_an_empty_answer(processor):
    assert processor.process(b"size 0") == (OK, b"")


@pytest.mark.parametrize("make", [bytearray, lambda body: memoryview(bytearray(body))])
def test_what_is_writable_is_read_where_it_lies(processor, make):
    request = make(b"at")
    where = ctypes.addressof(ctypes.c_char.from_buffer(request))
    assert processor.process(request) == (OK, b"%d" % where)


def test_what_is_not_writable_is_read_too(processor):
    assert processor.process(memoryview(b"hello")) == (OK, b"hello")
    large = np.arange(1000000, dtype=np.uint8)
    assert processor.process(large.data) == (OK, large.tobytes())


def test_outputs_are_freed_whatever_comes_of_them(processor, batching):
    batches = Processor(import_hooks(batching), "", "")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100):
        assert processor.process(b"grow 1000000") == (OK, b"x" * 1000000)
        for said in (b"size -1", b"size 0", b"status 400", b"status -1"):
            assert processor.process(said)[0] in (OK, INTERNAL, PROCESSOR)
        for other in (b"two", b"fail", b"leave"):
            assert len(batches.batch_process([b"one", other], [0, 0])) == 2
    for _ in range(100000):
        processor.process(b"status -1")
        processor.process(b"size -1")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 20000


def test_several_threads_are_inside_at_once(processor):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(processor.process(b"meet")))
        for _ in range(2)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == [(OK, b"met")] * 2


def test_requests_are_joined_where_the_library_can(batching):
    made = Processor(import_hooks(batching), "", "")
    assert made.batches
    expected = [b"of 4: one", b"of 4: two", b"of 4: three", b"of 4: "]
    assert made.batch_process(REQUESTS, [0, EAS_JSON, 0, 0]) == [(OK, each) for each in expected]


def test_requests_are_run_one_by_one_where_it_cannot(processor):
    assert not processor.batches
    assert processor.batch_process([b"1", b"2"], [0, 0]) == [(OK, b"1"), (OK, b"2")]


def test_each_request_of_a_batch_that_fails_is_run_alone(batching, caplog):
    made = Processor(import_hooks(batching), "", "")
    requests = [b"one", b"fail", b"status 404", b"size -1"]
    assert made.batch_process(requests, [0] * 4) == [
        (OK, b"one"),
        (OK, b"fail"),
        own(404),
        (INTERNAL, b"batching.so returned an output of -1 bytes"),
    ]
    assert not caplog.text


def test_an_output_that_is_missing_in_a_batch_is_that_requests_alone(batching):
    made = Processor(import_hooks(batching), "", "")
    assert made.batch_process([b"one", b"leave"], [0, 0]) == [
        (OK, b"of 2: one"),
        (INTERNAL, b"batching.so returned an output of 7 bytes at NULL"),
    ]


def test_a_state_that_is_not_0_refuses_the_model(plain):
    with pytest.raises(HooksError) as caught:
        Processor(import_hooks(plain), "/models/rank", "refuse")
    assert str(caught.value) == (
        "plain.so refused the model /models/rank: `initialize` set state 400; its output is in the "
        "log"
    )


def test_a_model_of_null_is_one_too(directory):
    path = shared_object(os.path.join(directory, "null.so"))
    assert Processor(import_hooks(path), "", "null").process(b"hello") == (OK, b"hello")


def test_a_configuration_that_text_of_c_cannot_hold_is_refused(plain):
    with pytest.raises(HooksError, match=r"model_config has a NUL .* plain\.so"):
        Processor(import_hooks(plain), "", "a\0b")


@pytest.mark.parametrize(
    "name, options, source, sentence",
    [
        ("start.so", ["-DNO_INITIALIZE"], "processor.c", " exports no `initialize`"),
        (
            "alone.so",
            ["-DALONE"],
            "processor.c",
            " exports no `process` but `async_process`, which is not supported: export `process` "
            "as well",
        ),
        (
            "mangled.so",
            ["-DMANGLED"],
            "processor.cpp",
            ' exports no `initialize` but a C++ function of that name: declare it extern "C"',
        ),
        (
            "undefined.so",
            ["-DNEEDS=rank_score"],
            "processor.c",
            " cannot be loaded: undefined symbol: rank_score; link it with the library that "
            "defines this",
        ),
        ("object.so", ["-c"], "processor.c", " is an object file, expected a shared object: "),
    ],
)
def test_what_is_wrong_with_a_library_is_named(directory, name, options, source, sentence):
    path = shared_object(os.path.join(directory, name), *options, source=source)
    with pytest.raises(HooksError) as caught:
        import_hooks(path)
    assert str(caught.value).startswith("the processor " + path + sentence)


def test_a_library_that_is_missing_is_named(directory):
    needed = shared_object(os.path.join(directory, "libneeded.so"), "-Dprocess=helper")
    path = shared_object(os.path.join(directory, "needing.so"), "-Wl,--no-as-needed", needed)
    os.remove(needed)
    with pytest.raises(HooksError) as caught:
        import_hooks(path)
    assert "libneeded.so: cannot open shared object file" in str(caught.value)
    assert str(caught.value).endswith("; put that library beside it, or install it")


def head(**changes):
    """Return the head of a shared object for this machine, with fields of elf(5) changed."""
    fields = {"bits": 2, "order": 1, "type": 3, "machine": MACHINE, **changes}
    kind = b"\x7fELF" + bytes([fields["bits"], fields["order"], 1]) + bytes(9)
    order = "little" if fields["order"] == 1 else "big"
    return (
        kind + b"".join(fields[each].to_bytes(2, order) for each in ("type", "machine")) + bytes(44)
    )


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "is empty, expected a shared object (ELF)"),
        (b"print('hello')\n" * 9, "is not a library, expected a shared object (ELF)"),
        (b"\xcf\xfa\xed\xfe" * 99, "is a macOS library, expected a shared object (ELF)"),
        (b"MZ" * 99, "is a Windows library, expected a shared object (ELF)"),
        (b"!<arch>\n" * 99, "is a static library, expected a shared object (ELF)"),
        (b"\x7fELF", "is not a library, expected a shared object (ELF)"),
        (head(machine=243), "is for riscv (64 bits, little-endian), expected "),
        (head(machine=22, order=2), "is for s390x (64 bits, big-endian), expected "),
        (head(machine=3, bits=1), "is for x86 (32 bits, little-endian), expected "),
        (head(machine=999), "is for machine 999 (64 bits, little-endian), expected "),
        (head(type=2), "is a program, expected a shared object: link it with -shared"),
        (head(), "cannot be loaded: "),
    ],
)
def test_a_file_that_is_no_library_of_this_machine_is_refused(tmp_path, content, sentence):
    path = tmp_path / "rank.so"
    path.write_bytes(content)
    with pytest.raises(HooksError) as caught:
        import_hooks(str(path))
    assert str(caught.value).startswith(f"the processor {path} {sentence}")


@pytest.mark.parametrize("part", [0.02, 0.2, 0.4])
def test_a_library_that_is_cut_short_is_refused(plain, tmp_path, part):
    with open(plain, "rb") as file:
        content = file.read()
    path = tmp_path / "rank.so"
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(
        HooksError,
        match=r"rank\.so is incomplete: it has \d+ bytes, expected \d+; copy it again$",
    ):
        import_hooks(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(HooksError, match=r"rank\.so cannot be read: No such file or directory"):
        import_hooks(str(tmp_path / "rank.so"))


def test_a_worker_answers_with_what_the_library_computes(engine, plain):
    _, worker = engine.worker(plain)
    assert worker.ask(b"hello") == (OK, b"hello")
    assert worker.ask(b"status 404") == own(404)
    body = bytes(bytearray(range(250))) * 20000
    sender = threading.Thread(target=worker.bulk.send, args=(PREDICT, body, 5))
    sender.start()
    assert worker.bulk.next() == (REPLY, OK, 5, body)
    sender.join()


def test_long_runs_are_side_by_side_in_the_threads_of_a_worker(engine, plain):
    _, worker = engine.worker(plain, threads=2)
    assert worker.ask(b"sleep 100")[0] == OK  # from now on it knows that runs are long
    for number in (2, 3):
        worker.data.send(PREDICT, b"meet", number)
    assert [worker.data.next()[3] for _ in range(2)] == [b"met"] * 2


def test_a_library_that_cannot_be_loaded_is_reported_and_ends_the_launcher(engine, directory):
    path = shared_object(os.path.join(directory, "lacking.so"), "-DNEEDS=rank_score")
    hello, link = engine.start(path)
    assert "lacking.so cannot be loaded: undefined symbol: rank_score" in hello["failure"]
    assert link.closed()
    assert engine.launcher.wait(30) == 1


def test_a_model_that_is_refused_is_reported(engine, plain):
    _, launcher = engine.start(plain)
    worker = engine.launch(launcher, config="refuse")
    assert worker.kind == FAILED
    assert b"plain.so refused the model" in worker.said


def test_a_crash_is_the_death_of_the_one_worker(engine, plain):
    _, launcher = engine.start(plain)
    first, second = engine.launch(launcher, number=1), engine.launch(launcher, number=2)
    first.data.send(PREDICT, b"crash", 1)
    assert engine.exited(first.pid) & 0x7F == signal.SIGSEGV
    assert second.ask(b"hello") == (OK, b"hello")
    assert engine.launch(launcher, number=3).ask(b"hello") == (OK, b"hello")


def test_an_exception_that_leaves_the_library_ends_the_worker_and_is_in_its_log(engine, throwing):
    _, worker = engine.worker(throwing)
    assert worker.ask(b"hello") == (OK, b"hello")
    worker.data.send(PREDICT, b"throw", 1)
    assert engine.exited(worker.pid) & 0x7F == signal.SIGABRT
    assert "std::runtime_error" in worker.printed(b"thrown as asked\n")


def test_what_the_library_prints_is_in_the_log_at_once(engine, plain):
    _, worker = engine.worker(plain)
    assert worker.ask(b"print from C") == (OK, b"print from C")
    assert worker.printed(b"from C\n") == "from C\n"


def test_a_library_that_starts_threads_when_it_is_loaded_is_not_forked(engine, directory):
    path = shared_object(os.path.join(directory, "threads.so"), "-DFOREVER")
    hello, launcher = engine.start(path)
    assert not hello["forks"]
    worker = engine.launch(launcher)
    assert (worker.kind, worker.pid) == (READY, engine.launcher.pid)
    assert worker.ask(b"hello") == (OK, b"hello")
