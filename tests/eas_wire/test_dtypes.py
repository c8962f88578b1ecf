import numpy as np
import pytest

import eas_wire as wire


def test_names_and_numbers():
    assert wire.dtype_name(wire.DT_FLOAT) == "DT_FLOAT"
    assert wire.dtype_name(99) == "dtype 99"
    assert wire.dtype_number("DT_HALF") == 19
    with pytest.raises(wire.UnsupportedDtype, match="unknown dtype 'DT_UINT32'"):
        wire.dtype_number("DT_UINT32")


@pytest.mark.parametrize(
    "number, storage",
    [
        (wire.DT_QINT8, np.int8),
        (wire.DT_QUINT16, np.uint16),
        (wire.DT_HALF, np.float16),
        (wire.DT_BFLOAT16, np.float32),
        (wire.DT_STRING, object),
        (wire.DT_COMPLEX128, np.complex128),
    ],
)
def test_storage(number, storage):
    assert wire.storage_dtype(number) == storage


def test_a_dtype_without_values_has_no_storage():
    with pytest.raises(wire.UnsupportedDtype, match="DT_VARIANT has no values on the wire"):
        wire.storage_dtype(wire.DT_VARIANT)
