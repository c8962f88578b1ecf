"""
The messages of TensorFlow that TensorFlow Serving uses, in the format of `descriptors`.

Fields that only graphs need are left out, because clients call models and do not build them.
"""

FILES = """\
file google/protobuf/any.proto google.protobuf
    message Any
        string type_url 1
        bytes value 2
file google/protobuf/wrappers.proto google.protobuf
    message DoubleValue
        double value 1
    message FloatValue
        float value 1
    message Int64Value
        int64 value 1
    message UInt64Value
        uint64 value 1
    message Int32Value
        int32 value 1
    message UInt32Value
        uint32 value 1
    message BoolValue
        bool value 1
    message StringValue
        string value 1
    message BytesValue
        bytes value 1
file tensorflow/core/framework/types.proto tensorflow
    enum DataType
        DT_INVALID 0
        DT_FLOAT 1
        DT_DOUBLE 2
        DT_INT32 3
        DT_UINT8 4
        DT_INT16 5
        DT_INT8 6
        DT_STRING 7
        DT_COMPLEX64 8
        DT_INT64 9
        DT_BOOL 10
        DT_QINT8 11
        DT_QUINT8 12
        DT_QINT32 13
        DT_BFLOAT16 14
        DT_QINT16 15
        DT_QUINT16 16
        DT_UINT16 17
        DT_COMPLEX128 18
        DT_HALF 19
        DT_RESOURCE 20
        DT_VARIANT 21
        DT_UINT32 22
        DT_UINT64 23
        DT_FLOAT8_E5M2 24
        DT_FLOAT8_E4M3FN 25
        DT_FLOAT8_E4M3FNUZ 26
        DT_FLOAT8_E4M3B11FNUZ 27
        DT_FLOAT8_E5M2FNUZ 28
        DT_INT4 29
        DT_UINT4 30
        DT_INT2 31
        DT_UINT2 32
        DT_FLOAT4_E2M1FN 33
file tensorflow/core/framework/tensor_shape.proto tensorflow
    message TensorShapeProto
        repeated TensorShapeProto.Dim dim 2
        bool unknown_rank 3
    message TensorShapeProto.Dim
        int64 size 1
        string name 2
file tensorflow/core/framework/resource_handle.proto tensorflow
    import tensorflow/core/framework/tensor_shape.proto
    import tensorflow/core/framework/types.proto
    message ResourceHandleProto
        string device 1
        string container 2
        string name 3
        uint64 hash_code 4
        string maybe_type_name 5
        repeated ResourceHandleProto.DtypeAndShape dtypes_and_shapes 6
    message ResourceHandleProto.DtypeAndShape
        DataType dtype 1
        TensorShapeProto shape 2
file tensorflow/core/framework/tensor.proto tensorflow
    import tensorflow/core/framework/resource_handle.proto
    import tensorflow/core/framework/tensor_shape.proto
    import tensorflow/core/framework/types.proto
    message TensorProto
        DataType dtype 1
        TensorShapeProto tensor_shape 2
        int32 version_number 3
        bytes tensor_content 4
        repeated int32 half_val 13
        repeated float float_val 5
        repeated double double_val 6
        repeated int32 int_val 7
        repeated bytes string_val 8
        repeated float scomplex_val 9
        repeated int64 int64_val 10
        repeated bool bool_val 11
        repeated double dcomplex_val 12
        repeated ResourceHandleProto resource_handle_val 14
        repeated VariantTensorDataProto variant_val 15
        repeated uint32 uint32_val 16
        repeated uint64 uint64_val 17
        bytes float8_val 18
    message VariantTensorDataProto
        string type_name 1
        bytes metadata 2
        repeated TensorProto tensors 3
file tensorflow/core/example/feature.proto tensorflow
    message BytesList
        repeated bytes value 1
    message FloatList
        repeated float value 1
    message Int64List
        repeated int64 value 1
    message Feature
        BytesList bytes_list 1 kind
        FloatList float_list 2 kind
        Int64List int64_list 3 kind
    message Features
        map string Feature feature 1
file tensorflow/core/example/example.proto tensorflow
    import tensorflow/core/example/feature.proto
    message Example
        Features features 1
file tensorflow/core/protobuf/meta_graph.proto tensorflow
    import tensorflow/core/framework/tensor.proto
    import tensorflow/core/framework/tensor_shape.proto
    import tensorflow/core/framework/types.proto
    message TensorInfo
        string name 1 encoding
        TensorInfo.CooSparse coo_sparse 4 encoding
        DataType dtype 2
        TensorShapeProto tensor_shape 3
    message TensorInfo.CooSparse
        string values_tensor_name 1
        string indices_tensor_name 2
        string dense_shape_tensor_name 3
    message SignatureDef
        map string TensorInfo inputs 1
        map string TensorInfo outputs 2
        string method_name 3
        map string TensorProto defaults 4
file xla/tsl/protobuf/error_codes.proto tensorflow.error
    enum Code
        OK 0
        CANCELLED 1
        UNKNOWN 2
        INVALID_ARGUMENT 3
        DEADLINE_EXCEEDED 4
        NOT_FOUND 5
        ALREADY_EXISTS 6
        PERMISSION_DENIED 7
        UNAUTHENTICATED 16
        RESOURCE_EXHAUSTED 8
        FAILED_PRECONDITION 9
        ABORTED 10
        OUT_OF_RANGE 11
        UNIMPLEMENTED 12
        INTERNAL 13
        UNAVAILABLE 14
        DATA_LOSS 15
file tensorflow/core/protobuf/error_codes.proto tensorflow.error.dummy
    import xla/tsl/protobuf/error_codes.proto
"""
