from fixtures import need

need.module("tensorflow")

from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf import saved_model_pb2

from eas_processor.tf.model.schema import DATA_TYPES, SavedModel, message_class


def test_every_field_is_tensorflows():
    pending = [(SavedModel.DESCRIPTOR, saved_model_pb2.SavedModel.DESCRIPTOR)]
    seen = set()
    while pending:
        ours, theirs = pending.pop()
        if ours.full_name in seen:
            continue
        seen.add(ours.full_name)
        for field in ours.fields:
            if field.name == "defaults" and field.name not in theirs.fields_by_name:
                continue  # TensorFlow 2.15 and older have no defaults
            other = theirs.fields_by_name[field.name]
            assert (field.number, field.type) == (other.number, other.type), field.full_name
            if field.message_type:
                pending.append((field.message_type, other.message_type))
    assert "eas_processor.tf.NodeDef.AttrEntry" in seen


def test_every_dtype_is_tensorflows():
    for name, number in DataType.items():
        if number < 100:
            assert DATA_TYPES[number] == name


def test_a_message_of_another_table_knows_what_was_set_to_zero():
    table = {"Value": [("number", 1, "sint64"), ("more", 2, "*Value"), ("type", 3, "DataType")]}
    kind = message_class(table, "Value")
    read = kind.FromString(kind(more=[kind(number=0), kind()], type=1).SerializeToString())
    assert [each.HasField("number") for each in read.more] == [True, False]
    assert read.type == 1
