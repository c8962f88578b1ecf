import pytest

from eas_processor.tf.errors import ModelError
from eas_processor.tf.model import find as model_files
from eas_processor.tf.model.schema import GraphDef, SavedModel


def write_saved_model(directory, name="saved_model.pb"):
    message = SavedModel()
    message.meta_graphs.add().meta_info_def.tags.append("serve")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(message.SerializeToString())


@pytest.mark.parametrize(
    "entry, location",
    [
        ("", ""),
        ("saved_model.pb", ""),
        ("", "only"),
        ("", "outer/inner"),
        ("", "7"),
        ("inner", "inner"),
    ],
)
def test_a_saved_model_is_found(tmp_path, entry, location):
    write_saved_model(tmp_path / location)
    assert model_files.find_model(str(tmp_path / entry)) == str(tmp_path / location)


def test_the_highest_number_wins(tmp_path):
    for name in ("2", "10", "9", "notes"):
        write_saved_model(tmp_path / name)
    assert model_files.find_model(str(tmp_path)) == str(tmp_path / "10")


def test_hidden_directories_and_side_files_do_not_count(tmp_path):
    write_saved_model(tmp_path / "model")
    write_saved_model(tmp_path / "__MACOSX")
    write_saved_model(tmp_path / ".cache")
    (tmp_path / "fingerprint.pb").write_bytes(b"\x08\x01")
    assert model_files.find_model(str(tmp_path)) == str(tmp_path / "model")


@pytest.mark.parametrize("name", ["saved_model.pb", "frozen.pb"])
def test_what_a_mac_and_file_systems_leave_beside_a_model_does_not_count(tmp_path, name):
    """Files of macOS archives, exFAT, ext4 volumes and Synology shares are ignored."""
    (tmp_path / "outer" / "1").mkdir(parents=True)
    for directory in (tmp_path, tmp_path / "outer", tmp_path / "outer" / "1"):
        for left in ("._" + name, "._frozen.pb", ".DS_Store", "._outer"):
            (directory / left).write_bytes(b"\0\x05\x16\x07")
        for left in ("__MACOSX", "lost+found", "@eaDir", ".Trashes", "..2026_01_01"):
            (directory / left).mkdir()
    (tmp_path / "outer" / "1" / name).write_bytes(b"")
    found = tmp_path / "outer" / "1"
    expected = found if name == "saved_model.pb" else found / name
    assert model_files.find_model(str(tmp_path)) == str(expected)


def test_a_directory_of_hidden_files_is_empty(tmp_path):
    (tmp_path / "._frozen.pb").write_bytes(b"\0\x05\x16\x07")
    with pytest.raises(ModelError, match="the directory is empty"):
        model_files.find_model(str(tmp_path))


def test_a_frozen_graph_is_found(tmp_path):
    (tmp_path / "net.pb").write_bytes(b"")
    assert model_files.find_model(str(tmp_path)) == str(tmp_path / "net.pb")
    assert model_files.find_model(str(tmp_path / "net.pb")) == str(tmp_path / "net.pb")


@pytest.mark.parametrize(
    "files, sentence",
    [
        ([], "the directory is empty"),
        (["a.pb", "b.pb"], "several frozen graphs in {}: 'a.pb', 'b.pb'"),
        (["a/x", "b/x"], "found 'a', 'b'; name one in model_entry"),
        (["assets/words.txt"], "found 'assets'"),
        (["readme.txt"], "found 'readme.txt'"),
    ],
)
def test_a_directory_without_a_model(tmp_path, files, sentence):
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    with pytest.raises(ModelError) as caught:
        model_files.find_model(str(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert sentence.format(tmp_path) in str(caught.value)


def test_a_path_that_does_not_exist(tmp_path):
    with pytest.raises(ModelError, match=r"no model at .*gone: there is no such file"):
        model_files.find_model(str(tmp_path / "gone"))


@pytest.mark.parametrize("content", [b"not protobuf", b"\x12\x7f\x01"])
def test_a_corrupt_saved_model(tmp_path, content):
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ModelError, match=r"saved_model\.pb is not a SavedModel: its \d+ bytes"):
        model_files.read_model(str(tmp_path))


@pytest.mark.parametrize(
    "name, kind", [("saved_model.pb", "SavedModel"), ("net.pb", "frozen graph")]
)
def test_an_empty_file(tmp_path, name, kind):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match=f"is not a {kind}: it holds no"):
        model_files.read_model(str(tmp_path))


def test_signatures_of_a_saved_model(data):
    summary = model_files.read_model(data + "/tf1_saved_model")
    (graph,) = summary.meta_graphs
    assert graph.tags == ("serve",)
    assert graph.tensorflow_version == "1.15.5"
    assert graph.saver_filename == "save/Const:0"
    assert sorted(graph.signatures) == ["find_words", "predict_images"]
    signature = graph.signatures["predict_images"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert signature.inputs["images"].tensor_name == "images:0"
    assert signature.to_json() == {
        "signature_name": "predict_images",
        "inputs": [{"name": "images", "shape": [-1, 4], "type": "DT_FLOAT"}],
        "outputs": [{"name": "scores", "shape": [-1, 3], "type": "DT_FLOAT"}],
    }


def test_a_saved_model_as_text(tmp_path):
    (tmp_path / "saved_model.pbtxt").write_text(
        """
        saved_model_schema_version: 1
        meta_graphs {
          meta_info_def { tags: "serve" tensorflow_version: "1.4.0" }
          signature_def {
            key: "count"
            value {
              inputs { key: "words" value { name: "w:0" dtype: DT_STRING tensor_shape {
                dim { size: -1 } } } }
              outputs { key: "n" value { name: "n:0" dtype: DT_INT32_REF } }
              method_name: "m"
            }
          }
        }
        """
    )
    (graph,) = model_files.read_model(str(tmp_path)).meta_graphs
    assert graph.signatures["count"].to_json() == {
        "signature_name": "count",
        "inputs": [{"name": "words", "shape": [-1], "type": "DT_STRING"}],
        "outputs": [{"name": "n", "shape": None, "type": "DT_INT32"}],
    }


def test_placeholders_and_likely_outputs_of_a_frozen_graph(data):
    summary = model_files.read_model(data + "/tf1_frozen.pb")
    assert [(spec.tensor_name, str(spec)) for spec in summary.placeholders] == [
        ("images:0", "DT_FLOAT [-1, 4]")
    ]
    assert [spec.tensor_name for spec in summary.likely_outputs] == ["scores:0"]


def test_a_placeholder_without_a_shape_takes_any(tmp_path):
    graph = GraphDef()
    graph.versions.producer = 134
    graph.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    graph.node.add(name="y", op="Identity", input=["x"])
    graph.node.add(name="done", op="NoOp", input=["^y"])
    (tmp_path / "net.pb").write_bytes(graph.SerializeToString())
    summary = model_files.read_model(str(tmp_path))
    assert str(summary.placeholders[0]) == "DT_FLOAT of any shape"
    assert summary.likely_outputs == []
    assert summary.producer == 134


def saved_model(*graphs):
    """A SavedModel of graphs, each (tags, names of signatures, nodes: name, op and inputs)."""
    message = SavedModel()
    for tags, signatures, nodes in graphs:
        meta = message.meta_graphs.add()
        meta.meta_info_def.tags.extend(tags)
        meta.saver_def.filename_tensor_name = "saver_filename:0"
        for name in signatures:
            meta.signature_def[name].method_name = "m"
        for name, op, inputs in nodes:
            meta.graph_def.node.add(name=name, op=op, input=inputs)
    return message.SerializeToString()


CALLED = ["serving_default"]


@pytest.mark.parametrize(
    "graphs, asked, chosen",
    [
        ([([], CALLED, [])], None, 0),
        ([(["train"], CALLED, [])], None, 0),
        ([(["train"], CALLED, []), (["serve"], CALLED, [])], None, 1),
        ([(["train"], CALLED, []), ([], CALLED, [])], (), 1),
        ([(["serve", "gpu"], CALLED, []), (["serve"], CALLED, [])], ("gpu", "serve"), 0),
    ],
)
def test_the_graph_of_the_tags(tmp_path, graphs, asked, chosen):
    (tmp_path / "saved_model.pb").write_bytes(saved_model(*graphs))
    meta = model_files.choose_meta_graph(str(tmp_path), asked)
    assert meta.tags == tuple(graphs[chosen][0])


@pytest.mark.parametrize(
    "asked, sentence",
    [
        (None, "no graph with the tags 'serve', only the tags 'train'; no tags; choose with"),
        (("x",), "no graph with the tags 'x', only the tags 'train'; no tags; choose with"),
    ],
)
def test_tags_that_no_graph_has(tmp_path, asked, sentence):
    content = saved_model((["train"], CALLED, []), ([], CALLED, []))
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        model_files.choose_meta_graph(str(tmp_path), asked)


SAVER = [("saver_filename", "Placeholder", []), ("save", "Save", ["saver_filename"])]


@pytest.mark.parametrize("signatures", [[], ["__saved_model_init_op"]])
def test_a_graph_without_signatures_has_the_ends_of_a_frozen_graph(tmp_path, signatures):
    nodes = [*SAVER, ("x", "Placeholder", []), ("y", "Relu", ["x"])]
    (tmp_path / "saved_model.pb").write_bytes(saved_model((["serve"], signatures, nodes)))
    meta = model_files.choose_meta_graph(str(tmp_path), None)
    assert [spec.tensor_name for spec in meta.placeholders] == ["x:0"]
    assert [spec.tensor_name for spec in meta.likely_outputs] == ["save:0", "y:0"]


@pytest.mark.parametrize("signatures", [[], ["__saved_model_init_op"]])
def test_a_graph_with_nothing_to_call_is_refused_with_how_to_save_it(tmp_path, signatures):
    (tmp_path / "saved_model.pb").write_bytes(saved_model((["serve"], signatures, SAVER)))
    with pytest.raises(ModelError, match="was saved without signatures") as caught:
        model_files.choose_meta_graph(str(tmp_path), None)
    assert "signatures=call.get_concrete_function()" in str(caught.value)


def test_reading_needs_no_tensorflow():
    import subprocess
    import sys

    code = "import sys, eas_processor.tf.model.find; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.call([sys.executable, "-c", code]) == 0
