from fixtures import need

need.module("tensorflow")

from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf import saved_model_pb2

from eas_processor.tf.model.schema import DATA_TYPES, SavedModel


def test_every_field_is_tensorflows():
    pending = [(SavedModel.DESCRIPTOR, saved_model_pb2.SavedModel.DESCRIPTOR)]
    seen = set()
    while pending:
        ours, theirs = pending.pop()
        if ours.full_name in seen:
            continue
        seen.add(ours.full_name)
        for field in ours.fields:
            other = theirs.fields_by_name[field.name]
            assert (field.number, field.type) == (other.number, other.type), field.full_name
            if field.message_type:
                pending.append((field.message_type, other.message_type))
    assert "eas_processor.tf.NodeDef.AttrEntry" in seen


def test_every_dtype_is_tensorflows():
    for name, number in DataType.items():
        if number < 100:
            assert DATA_TYPES[number] == name
