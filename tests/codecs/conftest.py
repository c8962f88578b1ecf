"""A model for tests of codecs."""

import pytest

import eas_wire as wire
from eas_processor.codecs.codec import Spec, Target

NAMES = {22: "DT_UINT32"}


class Input(Spec):
    def __init__(self, name, dtype, shape=None):
        self.name, self.dtype, self.shape = name, dtype, shape

    @property
    def dtype_name(self):
        return NAMES.get(self.dtype) or wire.dtype_name(self.dtype)


class Model(Target):
    """A model with one signature, or without any if no inputs are given."""

    def __init__(self, *inputs):
        self._inputs = {name: Input(name, *rest) for name, *rest in inputs}

    def input_names(self, signature_name):
        return list(self._inputs) or None

    def describe_inputs(self, signature_name):
        return f"it takes {', '.join(self._inputs)}" if self._inputs else "it has no signature"

    def specs(self, signature_name, inputs, output_filter):
        return [self._inputs[name] for name in inputs]


@pytest.fixture
def model_of():
    """Return a model that takes inputs, each a name, a dtype and perhaps a shape."""
    return Model


@pytest.fixture
def spec_of():
    """Return the declaration of an input: a name and a dtype."""
    return Input
