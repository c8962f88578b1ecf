import pytest

from eas_processor.tf.errors import BadRequest, ModelConfigError
from eas_processor.tf.model.signatures import (
    Signature,
    TensorSpec,
    check_tensor,
    choose_default,
    dtype_name,
    find_signature,
    shape_fits,
)

FLOAT, INT32 = 1, 3


def signatures(*names):
    return {name: Signature(name, "", {}, {}) for name in names}


@pytest.mark.parametrize(
    "names, configured, chosen",
    [
        (["b", "serving_default", "a"], "", "serving_default"),
        (["b", "serving_default", "a"], "b", "b"),
        (["predict_images", "__saved_model_init_op"], "", "predict_images"),
        (["b", "a", "__init"], "", "a"),
    ],
)
def test_the_default_signature(names, configured, chosen):
    assert choose_default(signatures(*names), configured).name == chosen


def test_a_choice_between_several_is_logged(caplog):
    caplog.set_level("INFO")
    choose_default(signatures("b", "a"), "")
    assert "use 'a', the first by name of 'a', 'b'" in caplog.text


@pytest.mark.parametrize("names", [[], ["__saved_model_init_op"]])
def test_no_signature_at_all(names):
    assert choose_default(signatures(*names), "") is None


@pytest.mark.parametrize("name", ["c", "__init"])
def test_an_unknown_signature_is_refused_with_the_names(name):
    with pytest.raises(BadRequest, match=rf"unknown signature '{name}': this model has 'a', 'b'$"):
        find_signature(signatures("b", "a", "__init"), name)
    with pytest.raises(ModelConfigError, match=rf"expected one of 'a', 'b', got '{name}'$"):
        choose_default(signatures("b", "a", "__init"), name)


@pytest.mark.parametrize(
    "declared, shape, fits",
    [
        ((-1, 784), (3, 784), True),
        ((-1, 784), (0, 784), True),
        ((-1, 784), (3, 783), False),
        ((-1, 784), (784,), False),
        ((-1, 28, 28), (4, 14, 28), False),
        ((), (), True),
        ((), (1,), False),
        (None, (1, 2, 3), True),
        (None, (), True),
    ],
)
def test_shapes(declared, shape, fits):
    assert shape_fits(declared, shape) is fits


@pytest.mark.parametrize(
    "dtype, shape, strict, sentence",
    [
        (INT32, (1, 783), True, "DT_FLOAT [-1, 784], got DT_INT32 [1, 783] with 783 values"),
        (FLOAT, (784,), True, "DT_FLOAT [-1, 784], got DT_FLOAT [784] with 784 values"),
        (FLOAT, (), True, "DT_FLOAT [-1, 784], got DT_FLOAT [] with 1 value"),
        (INT32, (1, 784), False, "DT_FLOAT, got DT_INT32 [1, 784] with 784 values"),
    ],
)
def test_a_tensor_that_does_not_fit(dtype, shape, strict, sentence):
    spec = TensorSpec("images", "x:0", FLOAT, (-1, 784))
    with pytest.raises(BadRequest) as caught:
        check_tensor(spec, dtype, shape, strict)
    assert str(caught.value) == "input 'images': expected " + sentence
    assert caught.value.code == "INVALID_ARGUMENT"


def test_a_tensor_of_another_shape_passes_when_shapes_are_not_strict():
    check_tensor(TensorSpec("images", "x:0", FLOAT, (-1, 784)), FLOAT, (7,), False)


def test_the_tensor_of_a_variable_has_its_dtype():
    assert TensorSpec("w", "w:0", 101, (2,)).dtype == FLOAT


@pytest.mark.parametrize("number, name", [(1, "DT_FLOAT"), (22, "DT_UINT32"), (99, "DT_99")])
def test_dtype_names(number, name):
    assert dtype_name(number) == name
