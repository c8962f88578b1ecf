"""Requests for the tests of runs, and a record of the runs that a model made."""

import pytest

import eas_wire as wire


@pytest.fixture
def runs(monkeypatch):
    """The first dimension of each run of a model, in order."""
    from eas_processor.tf.run.model import Model

    counted = []
    run = Model.run

    def count(self, plan, arrays):
        counted.append(max((array.shape[0] for array in arrays if array.ndim), default=0))
        return run(self, plan, arrays)

    monkeypatch.setattr(Model, "run", count)
    return counted


@pytest.fixture
def batch(request_of):
    """Send requests together, each given as its inputs; return arrays by name, or exceptions."""
    from eas_processor.tf import hooks

    def call(model, *inputs):
        answers = hooks.batch_process(model, [request_of(each) for each in inputs])
        return [
            answer
            if isinstance(answer, Exception)
            else {name: tensor.array for name, tensor in wire.decode_response(answer).items()}
            for answer in answers
        ]

    return call
