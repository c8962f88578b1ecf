from eas_processor.link.spec import WorkerSpec


def test_a_spec_arrives_as_it_was_sent():
    spec = WorkerSpec(3, "/models/é", '{"a": 1}', 5, 32, 0.25, True, {"CUDA_VISIBLE_DEVICES": "1"})
    assert WorkerSpec.unpack(spec.pack()) == spec
    assert WorkerSpec.unpack(memoryview(spec.pack())) == spec
