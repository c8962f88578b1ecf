"""
The same script run with the vendor's client and with ours sends the same requests.

Aside: `Date`, which the vendor's client writes in local time and calls GMT, and with it the
signature, whose fit is checked instead; the order of several inputs in a message, which has no
meaning.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import inspect
import json
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from vendor import run_script, vendors_python

from eas_prediction.testing import tf_answer
from eas_prediction.tf_request_pb2 import PredictRequest

PRELUDE = """
import sys
from eas_prediction import *
address = sys.argv[1]
"""

TF_REQUEST = """
req = TFRequest("predict_images")
req.add_feed("images", [1, 4], TFRequest.DT_FLOAT, [1.0, 2.5, -3.0, 0.0])
req.add_fetch("scores")
"""

CLIENT = """
client = PredictClient(address, "mnist")
client.set_token("dG9rZW4=")
client.init()
"""

SCRIPTS = {
    "documentation: TensorFlow": CLIENT + TF_REQUEST + """
for x in range(3):
    print(client.predict(req))
""",
    "documentation: text": """
client = PredictClient()
client.set_endpoint(address)
client.set_service_name("mnist")
client.set_token("dG9rZW4=")
client.init()
request = StringRequest('[{"fea1": 1, "fea2": 2}]')
for x in range(3):
    client.predict(request)
""",
    "documentation: gateway, pool and timeout": """
client = PredictClient(address, "mnist")
client.set_endpoint_type(ENDPOINT_TYPE_DEFAULT)
client.set_max_connection_count(10)
client.set_retry_count(2)
client.set_timeout(3000)
client.set_log_level("ERROR")
client.init()
""" + TF_REQUEST + "client.predict(req)\nclient.destroy()\n",
    "no token": "client = PredictClient(address + '/', 'mnist')\nclient.init()\n" + TF_REQUEST
    + "client.predict(req)\n",
    "no scheme": "client = PredictClient(address[7:], 'mnist')\nclient.init()\n" + TF_REQUEST
    + "client.predict(req)\n",
    "service with a path": CLIENT + """
client.set_service_name('mnist/v1/a')
client.predict(StringRequest('x'))
""",
    "custom url": """
client = PredictClient(custom_url=address + "/any/where?x=1")
client.set_token("tok")
client.init()
client.predict(StringRequest(b"bytes"))
""",
    "custom url and no token": """
client = PredictClient("", "", address + "/any/where")
client.init()
client.predict(StringRequest())
""",
    "content type": CLIENT + """
client.set_content_type('application/json')
client.predict(StringRequest('{}'))
""",
    "extra headers": CLIENT + """
client.add_extra_headers({"X-Mine": "1", "Content-Type": "text/plain"})
client.add_extra_headers({"X-Other": "2"})
client.predict(StringRequest("text"))
try:
    client.add_extra_headers(["no dict"])
except TypeError:
    client.predict(StringRequest("still"))
""",
    "extra headers and no token": """
client = PredictClient(address, "mnist")
client.add_extra_headers({"Authorization": "mine"})
client.init()
client.predict(StringRequest("text"))
""",
    "an empty body": CLIENT + "client.predict(StringRequest(''))\n",
    "a request made elsewhere": CLIENT + TF_REQUEST + """
other = TFRequest()
other.request_data.ParseFromString(req.to_string())
client.predict(other)
""",
    "the message itself": CLIENT + TF_REQUEST + """
req.request_data.signature_name = "other"
req.request_data.inputs["images"].float_val[0] = 9.0
req.request_data.output_filter.append("classes")
client.predict(req)
""",
    "tf_request_pb2": CLIENT + """
from eas_prediction import tf_request_pb2 as pb
message = pb.PredictRequest()
message.signature_name = "s"
message.inputs["x"].dtype = pb.DT_INT64
message.inputs["x"].array_shape.dim.extend([2])
message.inputs["x"].int64_val.extend([1, -1])
client.predict(StringRequest(message.SerializeToString()))
""",
    "several inputs": CLIENT + """
req = TFRequest("s")
req.add_feed("b", [2], TFRequest.DT_INT64, [1, -2])
req.add_feed("a", [1], TFRequest.DT_STRING, [b"text"])
req.add_feed("c", [1, 1], TFRequest.DT_DOUBLE, [0.1])
req.add_fetch("y")
req.add_fetch("x")
client.predict(req)
""",
    "every dtype": CLIENT + """
def one(name, values):
    req = TFRequest("s")
    req.add_feed("x", [len(values)], getattr(TFRequest, "DT_" + name), values)
    client.predict(req)
one("FLOAT", [1.5, -2.0])
one("DOUBLE", [0.1, 1e300])
one("INT64", [-2**63, 2**63 - 1])
one("BOOL", [True, False, True])
one("STRING", [b"a", b"", b"\\xff\\x00"])
for name in ("INT8", "INT16", "INT32", "QINT8", "QINT16", "QINT32"):
    one(name, [0, 127, -128])
for name in ("UINT8", "UINT16", "QUINT8", "QUINT16"):
    one(name, [0, 127, 255])
""",
    "an error is not sent again": CLIENT + """
client.set_service_name("refused")
try:
    client.predict(StringRequest("x"))
except PredictException as error:
    assert error.code == 400, error
    client.set_service_name("mnist")
    client.predict(StringRequest("after"))
""",
    "500 is sent again": CLIENT + """
client.set_service_name("broken")
client.set_retry_count(3)
try:
    client.predict(StringRequest("x"))
except PredictException as error:
    assert error.code == 500, error
""",
    "signature": """
client = PredictClient(address, "mnist")
client.set_token("tok")
client.init()
signed = client.generate_singaure(b"abc")
client.add_extra_headers({"X-Signed": " ".join(sorted(signed))})
client.add_extra_headers({"X-Length": signed["Content-Length"]})
client.predict(StringRequest("abc"))
""",
}  # fmt: skip

ASIDE = {
    "date",  # theirs is local time labelled GMT
    "authorization",  # signs the date; that it fits what was sent is checked below
}


@pytest.fixture(scope="module")
def python() -> Path:
    return vendors_python()


def answers(service):
    """An answer that both clients can read, whatever they asked."""
    answer = tf_answer({"scores": [[0.5]]})

    def usual(handler):
        if handler.path.endswith("/refused"):
            service.status(400, b"no")(handler)
        elif handler.path.endswith("/broken"):
            service.status(500, b"broken")(handler)
        else:
            service.status(200, answer)(handler)

    return usual


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_same_requests(service, python, name):
    service.usual = answers(service)
    run_script(python, PRELUDE + SCRIPTS[name], service.address)
    theirs, service.requests = service.requests, []
    run_script(sys.executable, PRELUDE + SCRIPTS[name], service.address)
    ours = service.requests

    assert [(each.method, each.path) for each in ours] == [
        (each.method, each.path) for each in theirs
    ]
    for mine, vendors in zip(ours, theirs):
        assert relevant(mine.headers) == relevant(vendors.headers)
        if name == "several inputs":
            assert PredictRequest.FromString(mine.body) == PredictRequest.FromString(vendors.body)
        else:
            assert mine.body == vendors.body
        for each in (mine, vendors):
            assert_authorized(each)


def relevant(headers):
    kept = {name: value for name, value in headers.items() if name not in ASIDE}
    kept["user-agent"] = kept["user-agent"].partition("/")[0]  # a version of urllib3
    return kept | {name: bool(headers.get(name)) for name in ASIDE}


def assert_authorized(request):
    given = request.headers.get("authorization", "")
    if given.startswith("EAS "):
        token = b"tok" if "x-signed" in request.headers else b"dG9rZW4="
        lines = [request.headers[name] for name in ("content-md5", "content-type", "date")]
        text = "\n".join(["POST", *lines, request.path]).encode()
        assert given[4:] == b64encode(hmac.new(token, text, "sha1").digest()).decode()
        assert request.headers["content-md5"] == hashlib.md5(request.body).hexdigest()


NAMES = """
import importlib, inspect, json

def names(module):
    found = {}
    for name, value in vars(importlib.import_module("eas_prediction." + module)).items():
        ours = getattr(value, "__module__", "eas_prediction").startswith("eas_prediction")
        if name.startswith("_") or inspect.ismodule(value) and name != "tf_pb" or not ours:
            continue
        found[name] = None
        if inspect.isclass(value):
            methods = inspect.getmembers(value, inspect.isfunction)
            found[name] = {
                method: list(inspect.signature(call).parameters)
                for method, call in methods
                if not method.startswith("_") or method == "__init__"
            }
    return found

print(json.dumps({each: names(each) for each in MODULES}))
"""
MODULES = (
    "predict_client", "endpoint", "gateway_endpoint", "cacheserver_endpoint", "vipserver_endpoint",
    "request", "string_request", "tf_request", "exception",
)  # fmt: skip
# Of the balancer inside the vendor's endpoints, and of its own server for VIPSERVER.
INSIDE = {"WRRScheduler", "endpoint_sort_func", "set_endpoints", "get_server"}


@pytest.mark.slow
def test_same_names_and_keywords(python):
    script = NAMES.replace("MODULES", repr(MODULES))
    theirs = json.loads(run_script(python, script))
    assert theirs["tf_request"]["TFRequest"]["set_signature_name"] == ["self", "singature_name"]
    missing = []
    for module, names in theirs.items():
        ours = importlib.import_module(f"eas_prediction.{module}")
        for name, methods in names.items():
            if name in INSIDE:
                continue
            if not hasattr(ours, name):
                missing.append(f"{module}.{name}")
                continue
            for method, parameters in (methods or {}).items():
                if method in INSIDE or name == "Endpoint":  # a base: ours has no constructor
                    continue
                call = getattr(getattr(ours, name), method, None)
                known = [] if call is None else inspect.signature(call).parameters
                if not {*parameters} <= {*known}:
                    missing.append(f"{module}.{name}.{method}{(*parameters,)}")
    assert not missing
