import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelConfigError, ModelError
from eas_processor.tf.model import op_libraries
from eas_processor.tf.runtime import tf, v1

pytestmark = pytest.mark.medium

SOURCE = os.path.join(os.path.dirname(need.__file__), "op_library.c")
TENSORFLOW_2 = not tf.__version__.startswith("1.")
# TensorFlow 1 has no C API to define ops by, and its C++ headers take a minute to compile.
compiles = pytest.mark.skipif(not TENSORFLOW_2, reason="the library is of TensorFlow 2's C API")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Compile the library of the op `name`; return its path."""
    directory = tmp_path_factory.mktemp("libraries")

    def build(name, *options, file="library.so"):
        path = directory / name / file
        path.parent.mkdir(exist_ok=True)
        command = [need.path_of("cc"), "-shared", "-fPIC", f'-DNAME="{name}"', *options, SOURCE]
        subprocess.run([*command, "-o", str(path), *tf.sysconfig.get_link_flags()], check=True)
        return str(path)

    return build


def graph_of(op):
    """Return a function that edits a graph so that its node `y` is `op`."""

    def edit(definition):
        node = next(node for node in definition.node if node.name == "y")
        node.op = op
        node.attr.clear()
        del node.input[1:]

    return edit


def double():
    x = v1.placeholder(tf.float32, [None], name="x")
    tf.multiply(x, 2.0, name="y")


def refusal(path, config):
    with pytest.raises(ModelConfigError) as caught:
        hooks.initialize(path, json.dumps(config))
    return str(caught.value)


# Libraries stay loaded, so that each test has an op of its own.
@compiles
def test_a_model_runs_with_the_library_that_lies_beside_it(library, save_graph, predict):
    path = save_graph(double, edit=graph_of("EasDouble"))
    shutil.copy(library("EasDouble"), os.path.dirname(path))
    model = hooks.initialize(path, '{"op_libraries": "library.so"}')
    assert predict(model, {"x": np.array([1.5, 4], np.float32)}, ["y"])["y"].tolist() == [3, 8]
    hooks.initialize(path, '{"op_libraries": "library.so"}')


@compiles
def test_a_library_that_redefines_an_op(library, save_graph):
    paths = [library("EasTwice", file=name) for name in ("first.so", "second.so")]
    sentence = refusal(save_graph(double), {"op_libraries": paths})
    assert sentence.startswith(
        f"model_config.op_libraries: {paths[1]} redefines the op 'EasTwice': it has a second "
        "kernel for CPU, and"
    )


@compiles
def test_a_library_that_lacks_a_symbol(library, save_graph):
    path = library("EasLacking", "-DMISSING")
    assert refusal(save_graph(double), {"op_libraries": [path]}).startswith(
        f"model_config.op_libraries: {path} needs the symbol no_such_function, which TensorFlow "
        f"{tf.__version__} does not have: "
    )


def test_kernels_that_stand_for_the_same_node():
    found = op_libraries._kernels()["Add"]
    on_cpu = [each for each in found if each.device_type == "CPU"]
    assert len(on_cpu) > 2
    for one in on_cpu:
        assert [each for each in found if op_libraries._same_work(one, each)] == [one]


@compiles
def test_a_library_that_needs_another(library, tmp_path, save_graph):
    # As those do that were compiled for TensorFlow 1, whose library has another name.
    other = library("EasOther", file="libeas_other.so")
    path = library("EasNeeding", "-L" + os.path.dirname(other), "-Wl,--no-as-needed", "-leas_other")
    os.rename(other, str(tmp_path / "gone.so"))
    assert refusal(save_graph(double), {"op_libraries": [path]}).startswith(
        f"model_config.op_libraries: {path} needs libeas_other.so, which is not found: it was "
    )


def spoil(data, change):
    if change == "machine":
        return data[:18] + b"\xb7\x00" + data[20:]
    return data[: len(data) // 2] if change == "cut" else b"#!/bin/sh\n"


@pytest.mark.parametrize(
    "change, sentence",
    [
        ("machine", "is for ARM64, and this machine is x86-64"),
        ("cut", "is incomplete: its segments end at byte "),
        ("text", "is not a shared object (it is not an ELF file)"),
    ],
)
def test_a_file_that_is_no_library_of_this_machine(tmp_path, save_graph, change, sentence):
    with open(sys.executable, "rb") as file:
        data = file.read()
    path = tmp_path / "libbad.so"
    path.write_bytes(spoil(data, change))
    said = refusal(save_graph(double), {"op_libraries": [str(path)]})
    assert said.startswith(f"model_config.op_libraries: {path} {sentence}")


def test_a_file_that_is_not_there(tmp_path, save_graph):
    for name, what in (("libnone.so", "does not exist"), ("folder/", "is not a file")):
        (tmp_path / "folder").mkdir(exist_ok=True)
        path = tmp_path / name.rstrip("/")
        said = refusal(save_graph(double), {"op_libraries": name})
        assert said == f"model_config.op_libraries: {path} {what}"


def test_a_package_is_imported(tmp_path, save_graph, monkeypatch):
    (tmp_path / "eas_ops").mkdir()
    (tmp_path / "eas_ops" / "__init__.py").write_text("")
    (tmp_path / "eas_ops" / "runtime.py").write_text("loaded = True\n")
    (tmp_path / "eas_broken.py").write_text("import eas_other\n")
    (tmp_path / "eas_exits.py").write_text("raise SystemExit('no license')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = save_graph(double)
    hooks.initialize(path, '{"op_libraries": "eas_ops.runtime"}')
    assert sys.modules["eas_ops.runtime"].loaded
    for name, sentence in (
        ("eas_none", "there is no package 'eas_none' beside TensorFlow "),
        ("eas_ops.none", "there is no package 'eas_ops.none' beside TensorFlow "),
        ("eas_broken", "'eas_broken' cannot be imported: ModuleNotFoundError: No module named"),
        ("eas_exits", "'eas_exits' cannot be imported: SystemExit: no license"),
    ):
        said = refusal(path, {"op_libraries": [name]})
        assert said.startswith("model_config.op_libraries: " + sentence)


@compiles
def test_a_package_that_loads_its_own_library(library, tmp_path, save_graph, predict, monkeypatch):
    """The runtime of PAI-Blade loads libraries so, for the ops of its optimised models."""
    package = tmp_path / "eas_blade" / "runtime"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "tensorflow.py").write_text(
        "import tensorflow\ntensorflow.load_op_library(%r)\n" % library("EasBlade")
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    path = save_graph(double, edit=graph_of("EasBlade"))
    with pytest.raises(ModelError, match="uses the op 'EasBlade', which TensorFlow"):
        hooks.initialize(path)
    model = hooks.initialize(path, {"op_libraries": ["eas_blade.runtime.tensorflow"]})
    assert predict(model, {"x": np.array([1.5], np.float32)}, ["y"])["y"].tolist() == [3]


@compiles
def test_a_package_that_loads_its_library_late(library, tmp_path, save_graph, predict, monkeypatch):
    ops = tmp_path / "tensorflow_addons" / "custom_ops" / "seq2seq"
    ops.mkdir(parents=True)
    (tmp_path / "tensorflow_addons" / "__init__.py").write_text("")
    shutil.copy(library("EasLate"), str(ops / "_late_ops.so"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorflow_addons", raising=False)
    path = save_graph(double, edit=graph_of("EasLate"))
    model = hooks.initialize(path, {"op_libraries": "tensorflow_addons"})
    assert predict(model, {"x": np.array([1.5], np.float32)}, ["y"])["y"].tolist() == [3]


def test_gather_tree_is_found_in_contrib(save_graph, predict):
    def beams():
        ids, parents = (v1.placeholder(tf.int32, [2, 1, 2], name=name) for name in ("ids", "up"))
        v1.placeholder(tf.int32, [1], name="lengths")
        v1.placeholder(tf.int32, [], name="end")
        tf.add(ids, parents, name="y")

    def edit(definition):
        node = next(node for node in definition.node if node.name == "y")
        node.op = "GatherTree"
        node.attr.clear()
        node.attr["T"].type = 3
        del node.input[:]
        node.input.extend(["ids", "up", "lengths", "end"])

    path = save_graph(beams, edit=edit)
    if TENSORFLOW_2:
        with pytest.raises(ModelError, match="name that in model_config"):
            hooks.initialize(path, "")
        return
    int32 = [np.array(each, np.int32) for each in ([[[1, 2]], [[3, 4]]], [[[0, 0]], [[1, 0]]])]
    inputs = dict(zip(("ids", "up"), int32))
    inputs.update(lengths=np.array([2], np.int32), end=np.array(9, np.int32))
    found = predict(hooks.initialize(path, ""), inputs, ["y"])["y"]
    assert found.tolist() == [[[2, 1]], [[3, 4]]]


@pytest.mark.parametrize(
    "op, package",
    [
        ("SimpleMLInferenceOpWithHandle", "tensorflow_decision_forests"),
        ("WhitespaceTokenizeWithOffsets", "tensorflow_text"),
        ("Addons>GatherTree", "tensorflow_addons"),
        ("MultiplyQuickly", "PACKAGE"),
    ],
)
def test_the_way_to_an_op(op, package):
    assert f"`eascmd build NAME --with {package}` adds" in op_libraries.advice_for_op(op)
