import sys

import pytest

from eas_processor.link.codes import INTERNAL, OK, PROCESSOR, pack_status
from eas_processor.worker.hooks import HooksError, Processor, import_hooks
from eas_processor.worker.python_file import ARGUMENTS

APP = """
import allspark

class MyProcessor(allspark.BaseProcessor):
    def initialize(self):
        self.module = {"path": self.get_model_path(), "same": allspark.get_model_path()}

    def pre_proccess(self, data):
        return data.split()

    def post_process(self, words):
        return b"-".join(words)

    def process(self, data):
        return self.post_process(self.pre_proccess(data)), 200
"""
RUN = """
if __name__ == '__main__':
    runner = MyProcessor(worker_threads=10)
    runner.run()
    raise AssertionError("the vendor's does not return")
"""


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    """Undo the changes that loading makes to the interpreter."""
    others = [each for each in sys.path if not each.endswith("vendor_modules")]
    monkeypatch.setattr(sys, "path", others)
    sys.modules.pop("allspark", None)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    for name in ("__main__", "processor_hooks"):
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name))
    yield
    sys.modules.pop("allspark", None)


@pytest.fixture
def write(tmp_path):
    def write_file(source, name="app.py"):
        path = tmp_path / name
        path.write_text(source)
        return str(path)

    return write_file


@pytest.fixture
def answer(write):
    """Return the answer of a class whose `process` has this body."""

    def ask(body, request=b"request"):
        source = "class P(allspark.BaseProcessor):\n    def process(self, data):\n        "
        path = write("import allspark\n" + source + body.replace("\n", "\n        "))
        return Processor(import_hooks(path), "", "").process(request)

    return ask


# The vendor's class


def test_the_vendors_template_serves_as_it_is(write):
    processor = Processor(import_hooks(write(APP + RUN)), "the model", "")
    assert processor.process(b"2 105") == (OK, b"2-105")
    assert processor.asked() == {"worker_threads": "10"}
    module = sys.modules["__main__"].runner.module
    assert module == {"path": "the model", "same": "the model"}


def test_without_run_the_only_subclass_is_taken(write):
    assert Processor(import_hooks(write(APP)), "", "").process(b"a b") == (OK, b"a-b")


def test_a_subclass_may_come_from_another_module_of_the_processor(write):
    write(APP, "mine.py")
    path = write("from mine import MyProcessor\n" + RUN)
    assert Processor(import_hooks(path), "", "").process(b"a b") == (OK, b"a-b")
    del sys.modules["mine"]


def test_of_several_subclasses_the_one_that_runs_serves(write):
    other = "\nclass Other(MyProcessor): pass\n"
    path = write(APP + other + RUN)
    assert Processor(import_hooks(path), "", "").process(b"a b") == (OK, b"a-b")
    sentence = "2 subclasses of allspark.BaseProcessor .MyProcessor, Other. and runs none"
    with pytest.raises(HooksError, match=sentence):
        import_hooks(write(APP + other))


def test_the_script_sees_its_own_arguments_and_may_exit_with_what_run_returns(write, monkeypatch):
    monkeypatch.setenv(ARGUMENTS, '["--threads", "7"]')
    lines = (
        "import argparse, sys\n"
        "if __name__ == '__main__':\n"
        "    parser = argparse.ArgumentParser()\n"
        "    parser.add_argument('--threads', type=int)\n"
        "    try:\n"
        "        sys.exit(MyProcessor(worker_threads=parser.parse_args().threads).run())\n"
        "    except Exception:\n"
        "        pass\n"
    )
    processor = Processor(import_hooks(write(APP + lines)), "", "")
    assert processor.asked() == {"worker_threads": "7"}


def test_properties_and_the_constructors_arguments_are_what_it_asks_for(write):
    lines = (
        "allspark.default_properties().put('rpc.keepalive', '10000')\n"
        "assert allspark.default_properties().get('rpc.keepalive') == '10000'\n"
        "assert allspark.default_properties().get('none', 1) == 1\n"
        "MyProcessor(worker_processes=2, io_threads=4, endpoint='0.0.0.0:9000', new=1).run()\n"
    )
    assert Processor(import_hooks(write(APP + lines)), "", "").asked() == {
        "worker_processes": "2",
        "endpoint": "0.0.0.0:9000",
        "rpc.keepalive": "10000",
    }


def test_a_class_whose_constructor_does_not_call_ours_serves(write):
    init = "    def __init__(self):\n        self.words = 1\n"
    assert Processor(import_hooks(write(APP + init + RUN.replace("worker_threads=10", ""))), "", "")


def test_initialize_runs_in_the_worker_alone(write):
    initialize = "    def initialize(self):\n        raise RuntimeError('no weights')\n"
    hooks = import_hooks(write(APP + initialize + RUN))
    with pytest.raises(HooksError, match="failed to load the model: RuntimeError: no weights"):
        Processor(hooks, "", "")


def test_the_model_path_is_not_known_before(write):
    with pytest.raises(HooksError, match="was called too early"):
        import_hooks(write(APP + "allspark.get_model_path()\n"))


def test_allspark_is_ours_and_is_found_in_workers_alone(write):
    with pytest.raises(ImportError):
        __import__("allspark")
    import_hooks(write(APP))
    assert "vendor_modules" in sys.modules["allspark"].__file__


def test_a_pickle_finds_the_classes_of_the_script(write):
    import_hooks(write(APP + RUN))
    assert sys.modules["__main__"].MyProcessor.__module__ == "__main__"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return data, 0", (OK, b"request")),
        ("return bytearray(data), 200", (OK, b"request")),
        ("return memoryview(data), 200", (OK, b"request")),
        ("return 'Grün', 200", (OK, "Grün".encode())),
        ("import http\nreturn data, http.HTTPStatus.OK", (OK, b"request")),
        ("return b'made', 201", (PROCESSOR, pack_status(201, b"made"))),
        ("return b'gone', 410", (PROCESSOR, pack_status(410, b"gone"))),
        ("return b'body', 204", (PROCESSOR, pack_status(204, b""))),
        ("return b'odd', 42", (PROCESSOR, pack_status(400, b"odd"))),
        ("return b'odd', 100", (PROCESSOR, pack_status(400, b"odd"))),
        ("return b'odd', -1", (PROCESSOR, pack_status(400, b"odd"))),
        ("return b'odd', None", (PROCESSOR, pack_status(400, b"odd"))),
        ("return b'odd', '200'", (PROCESSOR, pack_status(400, b"odd"))),
        ("return len(data)", (INTERNAL, b"returned int, expected (bytes, status)")),
        ("return data", (INTERNAL, b"returned bytes, expected (bytes, status)")),
        ("pass", (INTERNAL, b"returned NoneType, expected (bytes, status)")),
        ("return {}, 200", (INTERNAL, b"returned (dict, status), expected (bytes, status)")),
        ("return None, 200", (INTERNAL, b"returned (NoneType, status), expected (bytes, status)")),
    ],
)
def test_what_process_returns(answer, body, expected):
    code, payload = answer(body)
    assert code == expected[0]
    assert payload.endswith(expected[1]) if code == INTERNAL else payload == expected[1]
    assert code != INTERNAL or payload.startswith(b"app.py: `P.process` returned ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("int('x')", b"ValueError: invalid literal for int() with base 10: 'x'"),
        ("open('/no/such/place/labels.txt')", b"No such file or directory: 'labels.txt'"),
        ("import sys\nsys.exit(3)", b"process raised SystemExit: 3"),
        ("raise KeyboardInterrupt", b"process raised KeyboardInterrupt"),
        ("raise ValueError('x' * 9000)", b"xxx..."),
    ],
)
def test_an_exception_is_answered_with_400_and_without_directories(answer, caplog, body, text):
    code, payload = answer(body)
    assert code == PROCESSOR and payload.startswith(pack_status(400, b"process raised "))
    assert payload.endswith(text) and len(payload) < 2100
    assert "Traceback" in caplog.text


def test_an_exception_that_says_its_status_is_answered_with_that(answer):
    source = "error = Exception('not today')\nerror.status = 429\nraise error"
    assert answer(source) == (PROCESSOR, pack_status(429, b"not today"))
    source = "error = Exception('not this')\nerror.code = 'NOT_FOUND'\nraise error"
    assert answer(source)[1] == b"not this"


def test_a_large_body_arrives_as_bytes_too(answer):
    assert answer("return data.upper(), 200", memoryview(b"x" * 300000)) == (OK, b"X" * 300000)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ("", "app.py: the class P has no `process.self, data.`"),
        ("def process(self): pass", "app.py: `P.process` takes .*, expected a function of .data."),
        ("async def process(self, data): pass", "declared with `async def`"),
        ("process = 1", "app.py: `P.process` is of type int"),
        ("def process(self, data): pass\n    def initialize(self, path): pass", "P.initialize"),
        ("def process(self, data): pass\n    def shutdown(self, how): pass", "P.shutdown"),
        ("def __init__(self, path): pass", "P.. failed with TypeError: .*missing 1 required"),
    ],
)
def test_a_class_that_cannot_be_called_is_refused(write, members, sentence):
    source = "import allspark\nclass P(allspark.BaseProcessor):\n    '''doc'''\n    "
    with pytest.raises(HooksError, match=sentence):
        import_hooks(write(source + members + "\n"))


def test_shutdown_is_called_where_there_is_one(write):
    processor = Processor(import_hooks(write(APP)), "", "")
    assert not processor.has_shutdown_hook
    shutdown = "    def shutdown(self):\n        self.module['ended'] = True\n"
    processor = Processor(import_hooks(write(APP + shutdown + RUN)), "", "")
    assert processor.has_shutdown_hook
    processor.shutdown()
    assert sys.modules["__main__"].runner.module["ended"]


# The file


def test_a_file_of_hooks_is_no_script(write):
    hooks = import_hooks(
        write(
            "from json import loads as process, dumps as initialize\n"
            "initialize = lambda entry, config: entry\n"
            "def process(model, request): return request\n"
            "if __name__ == '__main__': 1 / 0\n"
        )
    )
    assert Processor(hooks, "", "").process(b"x") == (OK, b"x")


def test_hooks_come_before_a_class(write):
    functions = "def initialize(e, c): pass\ndef process(m, r): return b'function'\n"
    assert Processor(import_hooks(write(APP + functions)), "", "").process(b"") == (OK, b"function")


def test_its_own_modules_are_found_first(write):
    write("NAME = b'mine'\n", "tabnanny.py")
    functions = "def initialize(e, c): pass\ndef process(m, r): return tabnanny.NAME\n"
    hooks = import_hooks(write("import tabnanny\n" + functions))
    assert Processor(hooks, "", "").process(b"") == (OK, b"mine")
    del sys.modules["tabnanny"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "app.py has no hook `initialize`, and no subclass of allspark.BaseProcessor"),
        ("initialize = len", "app.py has no hook `process`"),
        ("import sys; sys.exit(2)", r"app.py exited during its import .SystemExit"),
        ("raise KeyboardInterrupt", "app.py cannot be imported: KeyboardInterrupt"),
        ("print 'two'", "app.py cannot be imported: SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError: No module named .*requirements.txt"),
        ("x = '\\x00\0'", "app.py cannot be imported: "),
    ],
)
def test_a_file_that_cannot_be_loaded_is_refused(write, source, sentence):
    with pytest.raises(HooksError, match=sentence):
        import_hooks(write(source))


# Functions


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def process(m): pass", r"app.py: `process` takes \(m\), expected .* \(model, request\)"),
        ("def process(m, r, codec): pass", r"`process` takes \(m, r, codec\)"),
        ("async def process(m, r): pass", "declared with `async def`, expected"),
        ("process = 'x'", "app.py: `process` is of type str, expected a function of"),
        ("def initialize(e): pass", r"`initialize` takes \(e\), expected"),
        ("def shutdown(): pass", "app.py: `shutdown`"),
        ("def batch_process(m): pass", "app.py: `batch_process`"),
        ("TAKES_CODECS = True", r"expected a function of \(model, request, codec\)"),
    ],
)
def test_a_hook_with_the_wrong_arguments_is_refused(write, source, sentence):
    plain = "def initialize(e, c): pass\ndef process(m, r): return r\n"
    with pytest.raises(HooksError, match=sentence):
        import_hooks(write(plain + source + "\n"))


@pytest.mark.parametrize("name", ["str", "NoneType", "dict"])
def test_a_hook_that_returns_another_type_is_told_so(write, caplog, name):
    values = {"str": "'text'", "NoneType": "None", "dict": "{}"}
    source = "def initialize(e, c): pass\ndef process(m, r): return %s\n" % values[name]
    said = "app.py: `process` returned %s, expected bytes" % name
    assert Processor(import_hooks(write(source)), "", "").process(b"") == (INTERNAL, said.encode())
    assert said in caplog.text


def test_hooks_get_bytes_and_may_return_what_is_like_them(write):
    source = (
        "def initialize(e, c): pass\n"
        "def process(m, r): return bytearray(r.upper())\n"
        "def batch_process(m, rs): return [r.upper() for r in rs]\n"
    )
    processor = Processor(import_hooks(write(source)), "", "")
    assert processor.process(memoryview(b"x")) == (OK, b"X")
    both = processor.batch_process([memoryview(b"x"), b"y"], [0, 0])
    assert both == [(OK, b"X"), (OK, b"Y")]


def test_hooks_that_know_codecs_get_bodies_as_they_came(write):
    source = (
        "TAKES_CODECS = True\n"
        "def initialize(e, c): pass\n"
        "def process(m, r, codec): return type(r).__name__.encode()\n"
    )
    processor = Processor(import_hooks(write(source)), "", "")
    assert processor.process(memoryview(b"x")) == (OK, b"memoryview")


def test_a_hook_that_ends_its_thread_answers_all_the_same(write):
    source = "import sys\ndef initialize(e, c): pass\ndef process(m, r): sys.exit(3)\n"
    code, text = Processor(import_hooks(write(source)), "", "").process(b"")
    assert code == INTERNAL and b"the processor failed with SystemExit: 3" in text


def test_a_shutdown_that_fails_is_logged(write, caplog):
    source = "def initialize(e, c): pass\ndef process(m, r): pass\ndef shutdown(m): 1 / 0\n"
    Processor(import_hooks(write(source)), "", "").shutdown()
    assert "ZeroDivisionError" in caplog.text
