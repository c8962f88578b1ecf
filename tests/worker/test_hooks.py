import os
from types import ModuleType

import pytest

from eas_processor.link.codes import (
    BY_NAME,
    INTERNAL,
    OK,
    PROCESSOR,
    UNIMPLEMENTED,
    pack_status,
    unpack_status,
)
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON
from eas_processor.worker.hooks import HooksError, Processor, import_hooks

ECHO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "processors", "echo.py")


class Refusal(Exception):
    def __init__(self, status, text="refused"):
        super().__init__(text)
        self.status = status


def hooks(**functions):
    module = ModuleType("hooks")
    module.initialize = lambda entry, config: (entry, config)
    module.process = lambda model, request: request
    for name, function in functions.items():
        setattr(module, name, function)
    return module


def raising(error):
    def hook(*_):
        raise error

    return hook


def processor(**functions):
    return Processor(hooks(**functions), "entry", "config")


class Wordless(Exception):
    def __str__(self):
        raise ValueError("no message")


class Coded(Exception):
    code = ["a", "list"]


def test_an_exception_without_a_message_of_its_own_ends_no_worker():
    code, text = processor(process=raising(Wordless())).process(b"")
    assert code == INTERNAL
    assert text.startswith(
        b"the processor failed with Wordless: its message cannot be shown: __str__ raised Value"
    )
    wordless = Wordless()
    wordless.status = 404
    answer = processor(process=raising(wordless)).process(b"")
    assert answer == (
        PROCESSOR,
        pack_status(404, b"its message cannot be shown: __str__ raised ValueError"),
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Wordless(), "Wordless: its message cannot be shown: __str__ raised ValueError"),
        (Coded("bad"), "Coded: bad"),
        (SystemExit({}), r"SystemExit: {}"),
    ],
)
def test_initialize_may_fail_with_any_exception(error, said):
    with pytest.raises(HooksError, match="failed to load the model: " + said):
        processor(initialize=raising(error))


def test_hooks_are_imported_by_dotted_name(tmp_path, monkeypatch):
    (tmp_path / "my_hooks.py").write_text("def initialize(e, c): pass\ndef process(m, r): pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert import_hooks("my_hooks").__name__ == "my_hooks"


def test_hooks_are_imported_from_a_file():
    assert import_hooks(ECHO).initialize("entry", "") == "entry"


def test_a_file_named_like_a_library_does_not_replace_it(tmp_path):
    path = tmp_path / "json.py"
    path.write_text("def initialize(e, c): pass\ndef process(m, r): pass\n")
    import_hooks(str(path))
    import json

    assert json.loads("[1]") == [1]


@pytest.mark.parametrize("missing", ["initialize", "process"])
def test_a_missing_hook_is_named(tmp_path, missing):
    path = tmp_path / "incomplete.py"
    names = {"initialize", "process"} - {missing}
    path.write_text("".join(f"def {name}(a, b): pass\n" for name in names))
    with pytest.raises(HooksError, match=f"incomplete.py has no hook `{missing}`"):
        import_hooks(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(HooksError, match=r"nowhere\.py cannot be imported: FileNotFoundError"):
        import_hooks(str(tmp_path / "nowhere.py"))


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(HooksError, match="no_such_hooks cannot be imported: ModuleNotFoundError"):
        import_hooks("no_such_hooks")


def test_an_error_of_the_import_is_said_and_its_traceback_logged(tmp_path, caplog):
    path = tmp_path / "faulty.py"
    path.write_text("1 / 0\n")
    with pytest.raises(HooksError, match="ZeroDivisionError: division by zero"):
        import_hooks(str(path))
    assert "faulty.py" in caplog.text and "Traceback" in caplog.text


def test_process_gets_the_model_that_initialize_returned():
    given = []
    made = processor(process=lambda model, request: given.append((model, request)) or b"answer")
    assert made.process(b"body") == (OK, b"answer")
    assert given == [(("entry", "config"), b"body")]


def test_a_refusal_of_initialize_is_passed_on_as_it_is():
    with pytest.raises(HooksError, match=r"^the model is too old$"):
        processor(initialize=raising(Refusal(500, "the model is too old")))


def test_another_error_of_initialize_is_named_and_its_traceback_logged(caplog):
    with pytest.raises(HooksError, match="failed to load the model: KeyError: 'weights'"):
        processor(initialize=raising(KeyError("weights")))
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("name", ["OK", "PROCESSOR", "CANCELLED", "NOTHING"])
def test_what_is_no_refusal_is_internal(name, caplog):
    class Named(Exception):
        code = name

    assert processor(process=raising(Named("why"))).process(b"")[0] == INTERNAL


def test_a_status_comes_before_a_code():
    class Both(Exception):
        code, status = "NOT_FOUND", 409

    answer = processor(process=raising(Both("why"))).process(b"")
    assert answer == (PROCESSOR, pack_status(409, b"why"))


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"OK", "PROCESSOR", "CANCELLED"}))
def test_the_code_that_an_exception_names_is_that_of_the_answer(name, caplog):
    class Named(Exception):
        code = name

    assert processor(process=raising(Named("why"))).process(b"") == (BY_NAME[name], b"why")
    assert caplog.text == ""


@pytest.mark.parametrize("status", [400, 404, 450, 503, 599])
def test_the_status_of_an_exception_is_passed_on(status, caplog):
    made = processor(process=raising(Refusal(status, "no such \u00e9ntry")))
    assert made.process(b"") == (PROCESSOR, pack_status(status, "no such \u00e9ntry".encode()))
    assert caplog.text == ""


@pytest.mark.parametrize("status", [None, 0, 200, 399, 600, 70000, -1, "400", 400.0])
def test_a_status_that_refuses_nothing_is_internal_and_logged(status, caplog):
    answer = processor(process=raising(Refusal(status))).process(b"")
    assert answer == (
        INTERNAL,
        b"the processor failed with Refusal: refused; its log has the traceback",
    )
    assert "Traceback" in caplog.text


def test_an_unexpected_exception_is_internal_and_logged(caplog):
    status, text = processor(process=raising(ValueError("bad \udcff"))).process(b"")
    assert (status, text[:45]) == (INTERNAL, b"the processor failed with ValueError: bad ?; ")
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("result", [None, "text", 200, (b"body", 200)])
def test_an_answer_that_is_not_bytes_is_internal_and_says_so(result):
    status, text = processor(process=lambda model, request: result).process(b"")
    assert status == INTERNAL
    assert f"a hook returned {type(result).__name__}, expected bytes".encode() in text


def test_a_bytearray_is_an_answer_too():
    assert processor(process=lambda model, request: bytearray(b"abc")).process(b"") == (OK, b"abc")


def test_json_goes_to_a_hook_of_its_own():
    made = processor(process_json=lambda model, request: b"{}")
    assert made.process(b"[1]", EAS_JSON) == (OK, b"{}")
    assert made.process(b"[1]") == (OK, b"[1]")


def test_json_without_that_hook_is_a_request_like_any_other():
    assert processor().process(b"[1]", EAS_JSON) == (OK, b"[1]")


def test_json_without_that_hook_is_batched_too():
    made = processor(batch_process=lambda model, requests: [b"batched"] * len(requests))
    assert made.batch_process([b"1", b"2"], [EAS_JSON, ARRAY_PROTO]) == [(OK, b"batched")] * 2


def test_any_other_codec_is_unimplemented():
    expected = UNIMPLEMENTED, b"this processor does not support the encoding of this request"
    assert processor(process_json=lambda model, request: b"{}").process(b"", 9) == expected


def test_what_cannot_be_batched_runs_alone_beside_its_batch():
    sizes = []

    def batch(model, requests):
        sizes.append(len(requests))
        return [b"of %d" % len(requests)] * len(requests)

    made = processor(
        batch_process=batch,
        process_json=lambda model, request: b"alone",
    )
    codecs = [EAS_JSON, ARRAY_PROTO, 9, ARRAY_PROTO]
    answers = made.batch_process([b""] * 4, codecs)
    assert [body for _, body in answers[:2]] == [b"alone", b"of 2"]
    assert answers[2][0] == UNIMPLEMENTED
    assert answers[3] == (OK, b"of 2")
    assert made.batch_process([b""] * 2, [EAS_JSON] * 2) == [(OK, b"alone")] * 2
    assert 0 not in sizes


def test_hooks_that_take_codecs_get_the_number_of_each_request():
    made = processor(
        TAKES_CODECS=True,
        process=lambda model, request, codec: b"%d" % codec,
        batch_process=lambda model, requests, codecs: [b"%d together" % each for each in codecs],
    )
    assert made.process(b"") == (OK, b"0")
    assert made.process(b"", 9) == (OK, b"9")
    assert made.batch_process([b""] * 2, [9, 1]) == [(OK, b"9 together"), (OK, b"1 together")]


def test_a_batch_of_several_codecs_that_fails_is_run_one_by_one():
    made = processor(
        TAKES_CODECS=True,
        process=lambda model, request, codec: b"%d" % codec,
        batch_process=raising(ValueError("poisoned")),
    )
    assert made.batch_process([b""] * 2, [9, 1]) == [(OK, b"9"), (OK, b"1")]


def test_an_exception_over_json_becomes_a_status_too(caplog):
    assert processor(process_json=raising(Refusal(400))).process(b"", EAS_JSON) == (
        PROCESSOR,
        pack_status(400, b"refused"),
    )
    assert processor(process_json=lambda model, request: "{}").process(b"", EAS_JSON)[0] == INTERNAL
    assert "expected bytes" in caplog.text


def test_hooks_without_batch_process_run_one_by_one():
    made = processor()
    assert not made.batches
    assert made.batch_process([b"1", b"2"], [0, 0]) == [(OK, b"1"), (OK, b"2")]


def test_one_request_is_no_batch():
    made = processor(batch_process=raising(AssertionError("called")))
    assert made.batches
    assert made.batch_process([b"1"], [0]) == [(OK, b"1")]


def test_each_request_of_a_batch_has_its_own_answer():
    made = processor(batch_process=lambda model, requests: [b"fine", Refusal(400), "text", b"too"])
    answers = made.batch_process([b""] * 4, [0] * 4)
    assert [status for status, _ in answers] == [OK, PROCESSOR, INTERNAL, OK]
    assert answers[1] == (PROCESSOR, pack_status(400, b"refused"))


@pytest.mark.parametrize(
    "batch_process",
    [raising(ValueError("poisoned")), lambda model, requests: [b"one"], lambda *_: None],
)
def test_the_requests_of_a_batch_that_fails_are_run_one_by_one(batch_process, caplog):
    def process(model, request):
        if request == b"poison":
            raise Refusal(400, "poison")
        return request

    made = processor(batch_process=batch_process, process=process)
    assert made.batch_process([b"1", b"poison", b"2"], [0, 0, 0]) == [
        (OK, b"1"),
        (PROCESSOR, pack_status(400, b"poison")),
        (OK, b"2"),
    ]
    assert "batch_process failed" in caplog.text


def test_describe_passes_on_what_the_hook_says():
    made = processor(get_serving_model_info=lambda model: b"{}")
    assert made.describe() == (OK, b"{}")


def test_describe_without_a_hook_is_unimplemented():
    assert processor().describe() == (
        UNIMPLEMENTED,
        b"this processor does not describe its model",
    )


def test_describe_passes_on_a_refusal():
    made = processor(get_serving_model_info=raising(Refusal(400, "no signature")))
    assert made.describe() == (PROCESSOR, pack_status(400, b"no signature"))


def test_describe_that_is_not_bytes_is_internal():
    assert processor(get_serving_model_info=lambda model: "{}").describe()[0] == INTERNAL


@pytest.mark.parametrize("status", [400, 500, None])
def test_a_sentence_of_any_length_is_cut(status):
    processor = Processor(hooks(process=raising(Refusal(status, "é" * 10_000_000))), "", "")
    code, body = processor.process(b"")
    assert code == (PROCESSOR if status else INTERNAL)
    if status:
        answered, body = unpack_status(body)
        assert answered == status
    assert "é" * 1997 + "..." in body.decode()
    assert len(body) < 4200
    assert body.decode().endswith("traceback" if status is None else "...")
