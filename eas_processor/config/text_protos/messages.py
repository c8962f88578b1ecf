"""
The messages of TensorFlow Serving's configuration files, with its names and field numbers.

They are in a descriptor pool of their own, so that they do not clash with an installed TensorFlow.
Importing this module takes 30 ms, because it imports protobuf.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "string": _F.TYPE_STRING,
    "bytes": _F.TYPE_BYTES,
    "bool": _F.TYPE_BOOL,
    "int32": _F.TYPE_INT32,
    "int64": _F.TYPE_INT64,
    "uint64": _F.TYPE_UINT64,
    "float": _F.TYPE_FLOAT,
    "double": _F.TYPE_DOUBLE,
}

# Fields are written `[repeated] TYPE NAME NUMBER`, or `map KEY VALUE NAME NUMBER` for a map. The
# TYPE of a message begins with a capital letter.
_SERVING = {
    "Int64Value": ["int64 value 1"],
    "BoolValue": ["bool value 1"],
    "StringValue": ["string value 1"],
    "Any": ["string type_url 1", "bytes value 2"],
    "LatestPolicy": ["int32 num_versions 1"],
    "AllPolicy": [],
    "SpecificPolicy": ["repeated int64 versions 1"],
    "VersionPolicy": [
        "LatestPolicy latest 100",
        "AllPolicy all 101",
        "SpecificPolicy specific 102",
    ],
    "LogCollectorConfig": ["string type 1", "string filename_prefix 2"],
    "SamplingConfig": ["double sampling_rate 1", "map string string attributes 2"],
    "LoggingConfig": [
        "LogCollectorConfig log_collector_config 1",
        "SamplingConfig sampling_config 2",
    ],
    "ModelConfig": [
        "string name 1",
        "string base_path 2",
        "string model_platform 4",
        "ModelType model_type 3",
        "VersionPolicy model_version_policy 7",
        "map string int64 version_labels 8",
        "LoggingConfig logging_config 6",
    ],
    "ModelConfigList": ["repeated ModelConfig config 1"],
    "ModelServerConfig": ["ModelConfigList model_config_list 1", "Any custom_model_config 2"],
    "BatchingParameters": [
        "Int64Value max_batch_size 1",
        "Int64Value batch_timeout_micros 2",
        "Int64Value max_enqueued_batches 3",
        "Int64Value num_batch_threads 4",
        "StringValue thread_pool_name 5",
        "repeated int64 allowed_batch_sizes 6",
        "bool pad_variable_length_inputs 7",
        "BoolValue enable_large_batch_splitting 8",
        "Int64Value max_execution_batch_size 9",
    ],
    "ReloadConfigRequest": ["ModelServerConfig config 1", "repeated string metric_names 2"],
    "PrometheusConfig": ["bool enable 1", "string path 2"],
    "MonitoringConfig": ["PrometheusConfig prometheus_config 1"],
    "SSLConfig": [
        "string server_key 1",
        "string server_cert 2",
        "string custom_ca 3",
        "bool client_verify 4",
    ],
}
_ENUMS = {"ModelType": ["MODEL_TYPE_UNSPECIFIED", "TENSORFLOW", "OTHER"]}

_SESSION = {
    "GPUOptions": [
        "double per_process_gpu_memory_fraction 1",
        "string allocator_type 2",
        "int64 deferred_deletion_bytes 3",
        "bool allow_growth 4",
        "string visible_device_list 5",
        "int32 polling_active_delay_usecs 6",
        "int32 polling_inactive_delay_msecs 7",
        "bool force_gpu_compatible 8",
    ],
    "OptimizerOptions": [
        "bool do_common_subexpression_elimination 1",
        "bool do_constant_folding 2",
        "int32 opt_level 3",
        "bool do_function_inlining 4",
        "int32 global_jit_level 5",
    ],
    "GraphOptions": [
        "bool enable_recv_scheduling 2",
        "OptimizerOptions optimizer_options 3",
        "int64 build_cost_model 4",
        "bool infer_shapes 5",
        "bool place_pruned_graph 6",
        "bool enable_bfloat16_sendrecv 7",
    ],
    "ThreadPoolOptionProto": ["int32 num_threads 1", "string global_name 2"],
    "ConfigProto": [
        "map string int32 device_count 1",
        "int32 intra_op_parallelism_threads 2",
        "int32 placement_period 3",
        "repeated string device_filters 4",
        "int32 inter_op_parallelism_threads 5",
        "GPUOptions gpu_options 6",
        "bool allow_soft_placement 7",
        "bool log_device_placement 8",
        "bool use_per_session_threads 9",
        "GraphOptions graph_options 10",
        "int64 operation_timeout_in_ms 11",
        "repeated ThreadPoolOptionProto session_inter_op_thread_pool 12",
        "bool isolate_session_state 15",
        "bool share_cluster_devices_in_session 17",
    ],
}


def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for package, messages in (("tensorflow.serving", _SERVING), ("tensorflow", _SESSION)):
        file = descriptor_pb2.FileDescriptorProto(
            name=f"eas/{package}.proto", package=package, syntax="proto3"
        )
        for name, fields in messages.items():
            message = file.message_type.add(name=name)
            for field in fields:
                _add(message, package, field.split())
            if name == "VersionPolicy":
                message.oneof_decl.add(name="policy_choice")
                for each in message.field:
                    each.oneof_index = 0
        for name, values in _ENUMS.items() if messages is _SERVING else ():
            enum = file.enum_type.add(name=name)
            for number, value in enumerate(values):
                enum.value.add(name=value, number=number)
        pool.Add(file)
    return pool


def _add(message: descriptor_pb2.DescriptorProto, package: str, words: list[str]) -> None:
    label = _F.LABEL_OPTIONAL
    if words[0] == "repeated":
        label, words = _F.LABEL_REPEATED, words[1:]
    if words[0] == "map":
        _, key, value, name, number = words
        entry = message.nested_type.add(name=_entry_name(name))
        entry.options.map_entry = True
        _add(entry, package, [key, "key", "1"])
        _add(entry, package, [value, "value", "2"])
        message.field.add(
            name=name,
            number=int(number),
            label=_F.LABEL_REPEATED,
            type=_F.TYPE_MESSAGE,
            type_name=f".{package}.{message.name}.{entry.name}",
        )
        return
    kind, name, number = words
    field = message.field.add(name=name, number=int(number), label=label)
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type = _F.TYPE_ENUM if kind in _ENUMS else _F.TYPE_MESSAGE
        field.type_name = f".{package}.{kind}"


def _entry_name(field: str) -> str:
    return "".join(part.capitalize() for part in field.split("_")) + "Entry"


_POOL = _pool()


def message_class(full_name: str) -> Any:
    """Return the class of the message `full_name`, as `tensorflow.serving.ModelServerConfig`."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(full_name))
