"""Buffers that the format's own library wrote are read, and invalid ones are refused."""

import pytest

try:
    import flatbuffers
    from flatbuffers import flexbuffers
except ImportError:
    pytest.skip("TensorFlow 2 brings flatbuffers, and older ones do not", allow_module_level=True)

from eas_processor.tf.lite.flatbuffer import Malformed, Table
from eas_processor.tf.lite.flexbuffer import read_map


def flex_map(values):
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in values.items():
            builder.Key(key)
            builder.Blob(value)
    return bytes(builder.Finish())


def flat_table():
    """A table with a number, a text, numbers, and tables with one text, in fields 0 to 3."""
    builder = flatbuffers.Builder(0)
    names = [builder.CreateString(each) for each in ("a", "é")]
    inner = []
    for name in names:
        builder.StartObject(1)
        builder.PrependUOffsetTRelativeSlot(0, name, 0)
        inner.append(builder.EndObject())
    builder.StartVector(4, len(inner), 4)
    for each in reversed(inner):
        builder.PrependUOffsetTRelative(each)
    tables = builder.EndVector()
    builder.StartVector(4, 2, 4)
    for each in (7, -1):
        builder.PrependInt32(each)
    numbers = builder.EndVector()
    text = builder.CreateString("text")
    builder.StartObject(5)
    builder.PrependUint32Slot(0, 3, 0)
    builder.PrependUOffsetTRelativeSlot(1, text, 0)
    builder.PrependUOffsetTRelativeSlot(2, numbers, 0)
    builder.PrependUOffsetTRelativeSlot(3, tables, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


@pytest.mark.parametrize("size", [0, 3, 300, 70000])
def test_a_map_of_blobs(size):
    values = {"serving_default": b"x" * size, "e": bytes(range(10)), "": b"none"}
    assert read_map(flex_map(values)) == values


def test_an_empty_map():
    assert read_map(flex_map({})) == {}


def test_what_is_no_map_of_blobs():
    for data in (
        b"",
        b"\0\0",
        bytes(flexbuffers.Dumps([1, 2])),
        bytes(flexbuffers.Dumps({"a": 1})),
    ):
        with pytest.raises(Malformed):
            read_map(data)


def test_a_table():
    table = Table.root(flat_table())
    assert table.number(0) == 3
    assert table.text(1) == "text"
    assert table.numbers(2) == [-1, 7]
    assert [each.text(0) for each in table.tables(3)] == ["a", "é"]


def test_what_a_table_leaves_out():
    table = Table.root(flat_table())
    assert (table.number(4), table.text(4), table.numbers(9), table.tables(9)) == (0, "", [], [])


@pytest.mark.parametrize("make", [flat_table, lambda: flex_map({"a": b"1", "b": b"22"})])
def test_damage_is_told_and_ends(make):
    def read(data):
        if make is flat_table:
            table = Table.root(data)
            return table.text(1), table.numbers(2), [each.text(0) for each in table.tables(3)]
        return read_map(data)

    whole, refused = make(), 0
    damaged = [whole[:at] for at in range(len(whole))]
    damaged += [
        whole[:at] + bytes([value]) + whole[at + 1 :]
        for at in range(len(whole))
        for value in (0, 1, 127, 255)
    ]
    for data in damaged:
        try:
            read(data)
        except Malformed:
            refused += 1
    assert refused > len(whole) // 2
