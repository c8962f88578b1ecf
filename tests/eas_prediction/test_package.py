from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eas_prediction


def test_all_lists_the_public_names():
    public = {
        name for name in vars(eas_prediction) if not name.startswith("_") and not name.islower()
    }
    lazy = {
        "AsyncGrpcClient",
        "AsyncPooledTransport",
        "AsyncPredictClient",
        "AsyncTransport",
        "GrpcClient",
    }
    assert (public - {"TYPE_CHECKING"}) | lazy == set(eas_prediction.__all__)
    assert all(getattr(eas_prediction, name).__name__ == name for name in lazy)


def test_imports_nothing_of_the_server_nor_tensorflow():
    code = "import sys, eas_prediction; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    loaded = set(output.decode().split())
    assert not [name for name in loaded if name.startswith("eas_processor")]
    assert not loaded & {
        "grpc",
        "tensorflow",
        "tenacity",
        "google.protobuf",
        "requests",
        "msgspec",
        "rich",
        "httptools",
        "uvloop",
    }


@pytest.mark.parametrize("name", ["TorchRequest", "BladeRequest", "OnnxResponse", "QueueClient"])
def test_names_for_other_processors_say_where_they_are(name):
    with pytest.raises(eas_prediction.InvalidRequest, match=f"{name} is not part of this package"):
        getattr(eas_prediction, name)("endpoint", "service")


@pytest.mark.parametrize(
    "module",
    [
        "blade_pb2",
        "blade_request",
        "blade_tf_request",
        "easyrec_predict_pb2",
        "easyrec_request",
        "onnx_processor_data_helper",
        "onnx_request",
        "pytorch_predict_pb2",
        "queue_client",
        "queue_types.queueservice_pb2",
        "torch_request",
        "torchrec_predict_pb2",
        "torchrec_request",
        "weighted_round_robin",
    ],
)
def test_modules_for_other_processors_import_and_say_where_they_are(module):
    imported = importlib.import_module(f"eas_prediction.{module}")
    with pytest.raises(eas_prediction.InvalidRequest, match="Anything is not part of this package"):
        imported.Anything(1, two=3)
    assert not hasattr(imported, "__path__") or module == "queue_types"


def test_constants_of_other_processors_say_where_they_are():
    with pytest.raises(AttributeError, match=r"TorchRequest\.DT_FLOAT is not part of this package"):
        _ = eas_prediction.TorchRequest.DT_FLOAT
    with pytest.raises(eas_prediction.InvalidRequest):
        eas_prediction.OnnxDataHelper.to_array(None)


@pytest.mark.parametrize(
    "module",
    ["exception", "predict_client", "request", "string_request", "tf_request", "tf_request_pb2"],
)
def test_modules_that_users_import(module):
    importlib.import_module(f"eas_prediction.{module}")


def test_a_name_that_this_package_has_too_is_told_apart():
    from eas_prediction import blade_tf_request

    with pytest.raises(eas_prediction.InvalidRequest) as raised:
        blade_tf_request.TFRequest("s")
    assert raised.value.message.startswith(
        "blade_tf_request.TFRequest is not part of this package, which calls TensorFlow services "
        "(eas_prediction.TFRequest)"
    )


class TestNamesOfTheVendors:
    def test_the_messages(self):
        from eas_prediction import tf_request, tf_request_pb2
        from eas_prediction.tf_request import tf_pb

        assert tf_pb is tf_request.tf_pb is tf_request_pb2
        assert tf_pb.DESCRIPTOR.name == "predict.proto"
        with pytest.raises(AttributeError, match="has no attribute 'tf_pc'"):
            _ = tf_request.tf_pc

    def test_the_endpoints(self, monkeypatch):
        from eas_prediction import cacheserver_endpoint, endpoint, gateway_endpoint, predict_client

        client = eas_prediction.PredictClient("h", "svc")
        client.init()
        assert isinstance(client.endpoint, gateway_endpoint.GatewayEndpoint)
        assert isinstance(client.endpoint, endpoint.Endpoint)
        assert predict_client.GatewayEndpoint is gateway_endpoint.GatewayEndpoint
        made = gateway_endpoint.GatewayEndpoint("h", "svc", client.logger)
        made.sync()
        assert (made.get(), made.domain, made.get_size()) == ("http://h", "http://h", 1)
        made = gateway_endpoint.GatewayEndpoint("", "", None, "http://h/any/where")
        assert made.get() == "http://h/any/where"
        client.set_endpoint_type("DIRECT")
        client.init()
        assert isinstance(client.endpoint, cacheserver_endpoint.CacheServerEndpoint)
        assert client.endpoint.get_size() == 0
        alone = cacheserver_endpoint.CacheServerEndpoint("127.0.0.1:1", "svc", client.logger)
        alone.sync()  # nobody there: logged, as in the vendor's
        assert (alone.domain, alone.get_size()) == ("http://127.0.0.1:1", 0)

    def test_the_endpoint_of_their_network(self):
        from eas_prediction.vipserver_endpoint import VipServerEndpoint

        with pytest.raises(eas_prediction.InvalidRequest, match="vendor's own network"):
            VipServerEndpoint("domain", None)

    def test_a_keyword_as_they_spell_it(self):
        request = eas_prediction.TFRequest()
        request.set_signature_name(singature_name="a")
        assert request.signature_name == "a"
        request.set_signature_name(signature_name="b")
        assert request.signature_name == "b"
        with pytest.raises(eas_prediction.InvalidRequest, match="signature name: expected a str"):
            request.set_signature_name(singature_name=5)

    def test_stop(self):
        client = eas_prediction.PredictClient("h", "svc", endpoint_type="DIRECT")
        assert client.stop is False
        client.init()
        _ = client.endpoint.known  # starts discovery
        client.stop = True
        assert client.endpoint._upstreams._refresher is None
        client.init()
        assert client.stop is False
        client.destroy()
        assert client.stop is True


class TestVendorsPackage:
    """Both packages have the import name `eas_prediction`."""

    @pytest.fixture
    def site(self, tmp_path):
        root = Path(eas_prediction.__file__).parents[1]
        for package in ("eas_prediction", "eas_wire"):
            shutil.copytree(
                root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        return tmp_path

    def run(self, site, code):
        return subprocess.run(
            [sys.executable, "-c", code], cwd=site, capture_output=True, text=True, check=False
        )

    def installed(self, site, name="eas_prediction-0.36.dist-info"):
        (site / name).mkdir()

    def test_over_ours(self, site):
        package = site / "eas_prediction"
        (package / "__init__.py").write_text("from .exception import PredictException\n")
        (package / "exception.py").write_text("class PredictException(Exception): pass\n")
        done = self.run(site, "import eas_prediction")
        assert "ImportError: the vendor's package eas-prediction was installed over" in done.stderr
        assert "pip uninstall eas-prediction" in done.stderr

    @pytest.mark.parametrize("kind", [".dist-info", ".egg-info", "-py3.7.egg-info"])
    def test_under_ours(self, site, kind):
        self.installed(site, f"eas_prediction-0.36{kind}")
        code = "import eas_prediction as e; e.PredictClient(); e.PredictClient()"
        done = self.run(site, code)
        assert done.returncode == 0
        assert done.stderr.count("eas-prediction 0.36 is installed in the same directory") == 1
        assert "`pip uninstall eas-prediction`, then install this one again with" in done.stderr

    def test_beside_ours(self, site, tmp_path_factory):
        other = tmp_path_factory.mktemp("other")
        self.installed(other)
        code = f"import sys; sys.path.append({str(other)!r}); "
        code += "import eas_prediction as e; e.PredictClient()"
        done = self.run(site, code)
        assert f"installed too ({other}/eas_prediction)" in done.stderr
        assert "run `pip uninstall eas-prediction`\n" in done.stderr

    def test_what_is_no_directory_is_passed_over(self, site, tmp_path_factory):
        zipped = tmp_path_factory.mktemp("other") / "x.zip"
        zipped.write_bytes(b"")
        code = f"import sys; sys.path[:0] = ['/nowhere', {str(zipped)!r}]; "
        done = self.run(site, code + "import eas_prediction as e; e.PredictClient()")
        assert (done.returncode, done.stderr) == (0, "")

    def test_absent(self, site):
        done = self.run(site, "import eas_prediction as e; e.PredictClient()")
        assert (done.returncode, done.stderr) == (0, "")
