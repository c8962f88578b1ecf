"""
Many services behind one address, as who runs and calls them sees it.

Most tests use a processor without TensorFlow, since they are about the engine.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from e2e import models
from fixtures.engine import alive
from fixtures.many import EASCMD, Many, eventually, many, says, write_service

from eas_prediction import PredictClient, TFRequest

GONE_S = 20.0
"""How long after its SIGKILL something of an engine may be left."""


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    """Two services that serve, and one whose model does not load."""
    home = tmp_path_factory.mktemp("three")
    files = [
        write_service(home / "left.json", model_config=says("left")),
        write_service(home / "right.json", model_config=says("right")),
        write_service(home / "broken.json", model_config=says("broken", load="refuse")),
    ]
    with many(home, *files) as engine:
        eventually(lambda: engine.get("/readyz")[0] == 200)
        yield engine


def test_each_service_answers_to_its_own_token_alone(three: Many) -> None:
    for name, other in (("left", "right"), ("right", "left")):
        assert three.ask(name, b"hello") == (200, f"{name} hello")
        assert three.ask(name, token=three.token(other))[0] == 401
        assert three.ask(name, token="")[0] == 401


def test_what_is_printed_works_when_pasted(three: Many) -> None:
    events = eventually(lambda: len(three.events) == 2 and three.events)
    in_order = sorted(events, key=lambda each: str(each["service"]))
    for name, event in zip(("left", "right"), in_order, strict=True):
        assert event["url"].startswith("http://127.0.0.1:")
        assert event["url"].endswith(f"/api/predict/{name}") and event["pid"] == three.pid
        assert event["token_file"] == str(three.home / "tokens" / name)
        with os.popen(event["curl"]) as printed:
            assert json.loads(printed.read())["signature_name"] == "stub"
        assert three.token(name) not in three.printed


@pytest.mark.parametrize(
    "path",
    [
        "/api/predict/{}",
        "/api/predict/{}/",
        "/readyz?service={}",
        "/api/v1/servicediscovery/upstreams/{}",
        "/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/{}",
    ],
)
@pytest.mark.parametrize("name", ["left", "broken"])
@pytest.mark.parametrize("token", ["", "wrong", "of right"])
def test_who_has_not_its_token_cannot_tell_a_service_from_none(
    three: Many, path: str, name: str, token: str
) -> None:
    shown = three.token("right") if token == "of right" else token
    for method, body in (("GET", b""), ("POST", b"x")):
        there, nowhere = (
            three.http(method, path.format(each), body, shown) for each in (name, "nobody")
        )
        assert there[0] == nowhere[0]
        assert there[2].replace(name, "nobody") == nowhere[2]
        assert there[1].keys() == nowhere[1].keys()
        for other in {"left", "right", "broken"} - {name}:
            assert other not in there[2] and other not in nowhere[2]


@pytest.mark.parametrize("path", ["/", "/api", "/readyz", "/readyz?all", "/healthz", "/metrics"])
def test_routes_without_a_token_tell_no_name(three: Many, path: str) -> None:
    status, text = three.get(path)
    assert not [name for name in ("left", "right", "broken") if name in text]
    assert status == {"/readyz": 200, "/readyz?all": 503, "/healthz": 200, "/metrics": 401}.get(
        path, 404
    )


def test_metrics_are_for_who_has_a_token(three: Many) -> None:
    assert three.get("/metrics", "wrong")[0] == 401
    status, text = three.get("/metrics", (three.home / "metrics-token").read_text().strip())
    assert status == 200 and 'service="left"' in text and 'service="right"' in text
    status, text = three.get("/metrics", three.token("left"))
    assert status == 200 and 'service="left"' in text


def test_readiness_of_one_and_of_all(three: Many) -> None:
    assert three.get("/readyz")[0] == 200
    assert three.get("/readyz?service=left", three.token("left"))[0] == 200
    assert three.get("/readyz?service=broken", three.token("broken"))[0] == 503
    assert three.get("/readyz?service=left", three.token("right"))[0] != 200
    assert three.get("/readyz?all")[0] == 503


def test_the_reason_is_told_to_who_has_the_token_and_to_who_runs_it(three: Many) -> None:
    status, text = three.ask("broken")
    assert status == 503 and "this model does not load" in text
    assert three.ask("broken", token="")[0] == 401
    listed = three.services()["broken"]
    assert listed["state"] == "failed" and "this model does not load" in listed["reason"]
    table = three.eascmd("w").stdout
    assert "left" in table and "right" in table and "this model does not load" in table
    assert "broken cannot start" in three.log or "broken" in three.log
    assert not three.tracebacks


def test_one_is_reloaded_and_rolled_back_by_its_name(three: Many) -> None:
    before = three.pids("right")
    write_service(three.home / "left.json", model_config=says("new"))
    done = three.eascmd("reload", "left")
    assert done.returncode == 0, done.stderr
    assert three.ask("left", b"x") == (200, "new x")
    assert three.eascmd("rollback", "left").returncode == 0
    assert three.ask("left", b"x") == (200, "left x")
    assert three.pids("right") == before
    failed = three.eascmd("reload", "broken")
    assert failed.returncode == 1 and "this model does not load" in failed.stderr
    unknown = three.eascmd("reload", "nobody")
    assert unknown.returncode == 1 and "nobody" in unknown.stderr
    write_service(three.home / "left.json", model_config=says("left"))


def test_all_must_be_tried_before_it_is_ready(tmp_path: Path) -> None:
    quick = write_service(tmp_path / "quick.json")
    slow = write_service(tmp_path / "slow.json", model_config=says("slow", seconds=3))
    with many(tmp_path, quick, slow) as engine:
        assert engine.get("/readyz?service=quick", engine.token("quick"))[0] == 200
        assert engine.get("/readyz")[0] == 503
        # A call waits for a service that is coming.
        assert engine.ask("slow", b"x") == (200, "slow x")
        eventually(lambda: engine.get("/readyz?all")[0] == 200)


def test_a_broken_one_that_is_mended_serves_by_itself(tmp_path: Path) -> None:
    needed = tmp_path / "needed"
    good = write_service(tmp_path / "good.json")
    broken = write_service(tmp_path / "broken.json", model_config=says("b", needs=str(needed)))
    with many(tmp_path, good, broken) as engine:
        eventually(lambda: engine.get("/readyz")[0] == 200)
        status, text = engine.ask("broken")
        assert status == 503 and "this model needs needed" in text and str(tmp_path) not in text
        needed.touch()
        eventually(lambda: engine.ask("broken", b"x") == (200, "b x"))
        assert engine.state("broken") == "serving"
        assert engine.get("/readyz?all")[0] == 200


def test_a_file_that_says_nothing_is_listed_and_mended(tmp_path: Path) -> None:
    """A file that cannot even be read has neither name nor token yet."""
    good = write_service(tmp_path / "good.json")
    unreadable = tmp_path / "unreadable.json"
    unreadable.write_text('{"name": "late", ')
    with many(tmp_path, good, unreadable) as engine:
        eventually(lambda: engine.get("/readyz")[0] == 200)
        listed = engine.services()[str(unreadable)]
        assert listed["state"] == "failed" and listed["reason"]
        write_service(unreadable, name="late")
        eventually(lambda: engine.state("late") == "serving")
        assert engine.ask("late")[0] == 200


# A directory that is watched


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    """An engine that follows the directory `services`, where `first.json` stays."""
    home = tmp_path_factory.mktemp("watched")
    (home / "services").mkdir()
    write_service(home / "services" / "first.json", model_config=says("first"))
    with many(home, home / "services", "--watch") as engine:
        eventually(lambda: engine.get("/readyz")[0] == 200)
        yield engine


def serves(engine: Many, name: str, answer: str) -> None:
    """Wait until the service answers so."""

    eventually(lambda: engine.ask(name, b"x") == (200, answer))


def test_files_of_a_directory_come_change_and_go(watched: Many) -> None:
    (first,) = watched.pids("first")
    file = write_service(watched.home / "services" / "second.json", model_config=says("one"))
    serves(watched, "second", "one x")
    assert watched.get("/readyz?all")[0] == 200

    write_service(file, model_config=says("two"))
    serves(watched, "second", "two x")

    (before,) = watched.pids("second")
    more = {"instance": 2, "rpc": {"keepalive": 30000}}
    write_service(file, model_config=says("two"), metadata=more)
    eventually(lambda: len(watched.pids("second")) == 2)
    assert before in watched.pids("second")

    write_service(file, model_config=says("two"), metadata=more, token="given")
    eventually(lambda: watched.ask("second", token="given")[0] == 200)
    assert before in watched.pids("second")

    file.unlink()
    eventually(lambda: "second" not in watched.services())
    assert watched.ask("second", token="given")[0] in (401, 404)
    eventually(lambda: not alive(before))
    assert watched.pids("first") == [first]


def test_a_renamed_service_has_a_route_of_its_new_name(watched: Many) -> None:
    file = write_service(watched.home / "services" / "file.json", name="old")
    serves(watched, "old", "stub x")
    write_service(file, name="new", model_config=says("new"))
    serves(watched, "new", "new x")
    assert watched.ask("old")[0] in (401, 404)
    assert "old" not in watched.services()
    # A file that is moved keeps its service's name.
    file.rename(watched.home / "services" / "moved.json")
    eventually(lambda: "moved.json" in watched.services().get("new", {}).get("file", ""))
    serves(watched, "new", "new x")
    (watched.home / "services" / "moved.json").unlink()
    eventually(lambda: "new" not in watched.services())


def test_a_half_written_file_changes_nothing(watched: Many) -> None:
    file = write_service(watched.home / "services" / "half.json", model_config=says("whole"))
    serves(watched, "half", "whole x")
    (pid,) = watched.pids("half")
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])
    eventually(lambda: "half: reload failed" in watched.log or "reload failed" in watched.log)
    assert watched.ask("half", b"x") == (200, "whole x")
    write_service(file, model_config=says("mended"))
    serves(watched, "half", "mended x")
    assert watched.pids("half") != [pid]
    file.unlink()
    eventually(lambda: "half" not in watched.services())


def test_a_name_that_is_taken_is_refused_until_it_is_free(watched: Many) -> None:
    file = write_service(watched.home / "services" / "thief.json", name="first")
    eventually(lambda: watched.state(str(file)) == "failed")
    assert "first" in watched.services()[str(file)]["reason"]
    assert watched.ask("first", b"x") == (200, "first x")
    write_service(file, name="honest")
    serves(watched, "honest", "stub x")
    file.unlink()
    eventually(lambda: "honest" not in watched.services())


def test_an_empty_directory_waits_for_its_first_service(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    with many(tmp_path, tmp_path / "services", "--watch") as engine:
        time.sleep(1)
        assert engine.process.poll() is None
        write_service(tmp_path / "services" / "late.json")
        assert engine.ask("late")[0] == 200


# What is refused at the start


def test_two_services_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [write_service(tmp_path / each, name="same") for each in ("a.json", "b.json")]
    with many(tmp_path, *files) as engine:
        assert engine.process.wait(20) == 1
        (sentence,) = engine.log.splitlines()
        assert sentence.startswith("eascmd: ") and "'same'" in sentence
        assert "a.json" in sentence and "b.json" in sentence
        assert engine.left() == [] and engine.printed == ""


def test_a_lone_service_that_cannot_start_ends_the_start(tmp_path: Path) -> None:
    file = write_service(tmp_path / "a.json", model_config=says("a", load="refuse"))
    with many(tmp_path, file) as engine:
        assert engine.process.wait(60) == 1
        assert "this model does not load" in engine.log.splitlines()[-1]
        assert engine.left() == [] and engine.printed == ""


@pytest.mark.parametrize("what", ["none.json", "empty"])
def test_a_path_with_nothing_to_serve_is_refused(tmp_path: Path, what: str) -> None:
    good = write_service(tmp_path / "good.json")
    (tmp_path / "empty").mkdir()
    arguments = [good, tmp_path / what] if what.endswith("json") else [tmp_path / what]
    with many(tmp_path, *arguments) as engine:
        assert engine.process.wait(20) == 1
        assert what in engine.log.splitlines()[-1]


# Signals


def ask_slowly(engine: Many, name: str, seconds: float) -> Callable[[], tuple[int, str]]:
    """Send a request that takes some time; return a function that waits for its answer."""
    answers: list[tuple[int, str]] = []
    token = engine.token(name)

    def ask() -> None:
        answers.append(engine.ask(name, b"sleep %.1f" % seconds, token))

    thread = threading.Thread(target=ask)
    thread.start()

    def answer() -> tuple[int, str]:
        thread.join(60)
        return answers[0]

    return answer


def test_sighup_reloads_every_service(tmp_path: Path) -> None:
    names = ("a", "b")
    files = [write_service(tmp_path / f"{each}.json", model_config=says("old")) for each in names]
    with many(tmp_path, *files) as engine:
        eventually(lambda: engine.get("/readyz")[0] == 200)
        for file in files:
            write_service(file, model_config=says("new"))
        os.kill(engine.pid, signal.SIGHUP)
        for name in names:
            serves(engine, name, "new x")


def test_sigterm_finishes_the_calls_of_all(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    files = [write_service(tmp_path / f"{each}.json", model_config=says(each)) for each in names]
    with many(tmp_path, *files) as engine:
        eventually(lambda: engine.get("/readyz")[0] == 200)
        waiting = [ask_slowly(engine, each, 3) for each in names]
        token = (tmp_path / "metrics-token").read_text().strip()
        in_flight = re.compile(r"^eas_in_flight\{.*\} 1$", re.MULTILINE)
        eventually(lambda: len(in_flight.findall(engine.get("/metrics", token)[1])) == len(names))
        assert engine.stop() == 0
        for name, answer in zip(names, waiting, strict=True):
            assert answer() == (200, f"{name} sleep 3.0")
        assert engine.left() == []
        assert list((tmp_path / "admin").iterdir()) == []
        assert not engine.tracebacks


def test_sigterm_ends_a_start(tmp_path: Path) -> None:
    files = [
        write_service(tmp_path / "a.json"),
        write_service(tmp_path / "slow.json", model_config=says("slow", seconds=60)),
    ]
    with many(tmp_path, *files) as engine:
        assert engine.ask("a")[0] == 200
        assert engine.stop() == 0
        assert engine.left() == []


@pytest.mark.parametrize("moment", [0.2, 0.4, 0.6, 0.8, 1.1, 1.6, 3.0])
def test_a_killed_engine_leaves_nothing(tmp_path: Path, moment: float) -> None:
    """At the earlier moments it starts, and TensorFlow is being imported for one of them."""
    model = Path(__file__).parents[1] / "tf" / "data" / "tf1_saved_model"
    files = [
        write_service(tmp_path / "a.json"),
        write_service(tmp_path / "b.json", processor="other_stub"),
        write_service(tmp_path / "c.json", processor="tensorflow_cpu", model_path=str(model)),
    ]
    with many(tmp_path, *files) as engine:
        time.sleep(moment)
        engine.kill()
        gone_soon(engine)


def gone_soon(engine: Many) -> None:
    limit = time.monotonic() + GONE_S
    while time.monotonic() < limit and engine.left():
        time.sleep(0.05)
    assert engine.left() == []


def test_a_second_engine_leaves_the_first_ones_entry(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    files = [write_service(tmp_path / "first" / f"{each}.json") for each in ("a", "b")]
    same = write_service(tmp_path / "second" / "a.json", model_config=says("second"))
    with many(tmp_path, *files) as first:
        eventually(lambda: first.get("/readyz")[0] == 200)
        (worker,) = first.pids("a")
        with many(tmp_path, same) as second:
            assert second.ask("a", b"x") == (200, "second x")
            assert first.ask("a", b"x") == (200, "stub x")
            # It changes the first one's service, which is the one that `eascmd` finds.
            write_service(files[0], model_config=says("changed"))
            assert first.eascmd("reload", "a").returncode == 0
            assert first.ask("a", b"x") == (200, "changed x")
            assert second.ask("a", b"x") == (200, "second x")
            assert second.stop() == 0
        assert first.eascmd("reload", "a").returncode == 0
        assert not alive(worker)


# TensorFlow itself


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    """Two models of one build, served by `eascmd` itself."""
    home = tmp_path_factory.mktemp("real")
    files = []
    for number, name in enumerate(("single", "double"), 1):
        model = models.save_linear(home / "models" / name, scale=number)
        keys = {"processor": "tensorflow_cpu", "model_path": str(model)}
        files.append(write_service(home / f"{name}.json", **keys))
    with many(home, *files, program=EASCMD) as engine:
        eventually(lambda: engine.get("/readyz?all")[0] == 200)
        yield engine


IMAGES = np.random.default_rng(3).random((2, 784), dtype=np.float32)


@pytest.mark.parametrize("name", ["single", "double"])
def test_each_service_answers_by_its_own_model(real: Many, name: str) -> None:
    host, port = real.address
    request = TFRequest("predict_images")
    request.add_feed("images", [2, 784], TFRequest.DT_FLOAT, IMAGES)
    with PredictClient(f"http://{host}:{port}", name) as client:
        client.set_token(real.token(name))
        client.init()
        scores = client.predict(request).numpy("scores")
    model = real.home / "models" / name
    direct = models.run_saved_model(model, "predict_images", {"images": IMAGES})["scores"]
    np.testing.assert_allclose(scores, direct, atol=1e-6)


def test_services_of_one_build_import_it_once(real: Many) -> None:
    """The engine has a launcher, its spare, and a worker for each service, and nothing else."""
    workers = [*real.pids("single"), *real.pids("double")]
    assert len(workers) == 2
    others = eventually(
        lambda: len(found := [x for x in real.children() if x not in workers]) == 2 and found
    )
    assert set(workers) < set(real.children()) and len(others) == 2
