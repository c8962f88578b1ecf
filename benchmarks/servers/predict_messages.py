"""
`PredictRequest` and `PredictResponse` of TensorFlow Serving, on TensorFlow's own `TensorProto`.

The package tensorflow-serving-api would install a second TensorFlow.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

FIELD = descriptor_pb2.FieldDescriptorProto
TENSOR = "." + tensor_pb2.TensorProto.DESCRIPTOR.full_name


def message_field(message, name, number, type_name, repeated=False):
    """Add a message field."""
    label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
    message.field.add(
        name=name, number=number, type=FIELD.TYPE_MESSAGE, type_name=type_name, label=label
    )


def text_field(message, name, number):
    """Add a string field."""
    message.field.add(name=name, number=number, type=FIELD.TYPE_STRING, label=FIELD.LABEL_OPTIONAL)


def tensor_map(message, name, number):
    """Add a map from names to tensors."""
    entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    text_field(entry, "key", 1)
    message_field(entry, "value", 2, TENSOR)
    message_field(message, name, number, f".bench.{message.name}.{entry.name}", repeated=True)


def describe():
    """Return the file descriptor that the classes are made from."""
    file = descriptor_pb2.FileDescriptorProto(
        name="bench/predict.proto",
        package="bench",
        syntax="proto3",
        dependency=[tensor_pb2.DESCRIPTOR.name],
    )
    spec = file.message_type.add(name="ModelSpec")
    text_field(spec, "name", 1)
    text_field(spec, "signature_name", 3)
    request = file.message_type.add(name="PredictRequest")
    message_field(request, "model_spec", 1, ".bench.ModelSpec")
    tensor_map(request, "inputs", 2)
    response = file.message_type.add(name="PredictResponse")
    tensor_map(response, "outputs", 1)
    message_field(response, "model_spec", 2, ".bench.ModelSpec")
    return file


pool = descriptor_pool.Default()
pool.AddSerializedFile(describe().SerializeToString())
PredictRequest, PredictResponse = (
    message_factory.GetMessageClass(pool.FindMessageTypeByName(f"bench.{name}"))
    for name in ("PredictRequest", "PredictResponse")
)
