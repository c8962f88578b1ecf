"""The messages and services of TensorFlow Serving, in the format of `descriptors`."""

FILES = """\
file tensorflow_serving/apis/model.proto tensorflow.serving
    import google/protobuf/wrappers.proto
    message ModelSpec
        string name 1
        google.protobuf.Int64Value version 2 version_choice
        string version_label 4 version_choice
        string signature_name 3
file tensorflow_serving/apis/input.proto tensorflow.serving
    import tensorflow/core/example/example.proto
    message ExampleList
        repeated tensorflow.Example examples 1
    message ExampleListWithContext
        repeated tensorflow.Example examples 1
        tensorflow.Example context 2
    message Input
        ExampleList example_list 1 kind
        ExampleListWithContext example_list_with_context 2 kind
file tensorflow_serving/apis/predict.proto tensorflow.serving
    import tensorflow/core/framework/tensor.proto
    import tensorflow_serving/apis/model.proto
    message PredictRequest
        ModelSpec model_spec 1
        map string tensorflow.TensorProto inputs 2
        repeated string output_filter 3
        PredictStreamedOptions predict_streamed_options 5
        optional bytes client_id 6
        optional PredictRequest.RequestOptions request_options 7
    message PredictRequest.RequestOptions
        optional bytes client_id 1
        optional PredictRequest.RequestOptions.DeterministicMode deterministic_mode 2
        optional bool return_additional_arrays_from_prefill 3
        repeated int64 return_stoptokens 4
        optional bool return_all_stoptokens 9
        optional int64 max_cache_length 6
        optional PredictRequest.RequestOptions.Handshake handshake 13
    enum PredictRequest.RequestOptions.DeterministicMode
        DETERMINISTIC_MODE_UNSPECIFIED 0
        FIXED_DECODER_SLOT 1
    message PredictRequest.RequestOptions.Handshake
        int64 estimated_payload_bytes 1
    message PredictStreamedOptions
        PredictStreamedOptions.RequestState request_state 1
        map string int32 split_dimensions 2
        bool return_single_response 3
    enum PredictStreamedOptions.RequestState
        NONE 0
        SPLIT 1
        END_SPLIT 2
        CANCEL 3
    message PredictResponse
        ModelSpec model_spec 2
        map string tensorflow.TensorProto outputs 1
file tensorflow_serving/apis/classification.proto tensorflow.serving
    import tensorflow_serving/apis/input.proto
    import tensorflow_serving/apis/model.proto
    message Class
        string label 1
        float score 2
    message Classifications
        repeated Class classes 1
    message ClassificationResult
        repeated Classifications classifications 1
    message ClassificationRequest
        ModelSpec model_spec 1
        Input input 2
    message ClassificationResponse
        ModelSpec model_spec 2
        ClassificationResult result 1
file tensorflow_serving/apis/regression.proto tensorflow.serving
    import tensorflow_serving/apis/input.proto
    import tensorflow_serving/apis/model.proto
    message Regression
        float value 1
    message RegressionResult
        repeated Regression regressions 1
    message RegressionRequest
        ModelSpec model_spec 1
        Input input 2
    message RegressionResponse
        ModelSpec model_spec 2
        RegressionResult result 1
file tensorflow_serving/apis/inference.proto tensorflow.serving
    import tensorflow_serving/apis/classification.proto
    import tensorflow_serving/apis/input.proto
    import tensorflow_serving/apis/model.proto
    import tensorflow_serving/apis/regression.proto
    message InferenceTask
        ModelSpec model_spec 1
        string method_name 2
    message InferenceResult
        ModelSpec model_spec 1
        ClassificationResult classification_result 2 result
        RegressionResult regression_result 3 result
    message MultiInferenceRequest
        repeated InferenceTask tasks 1
        Input input 2
    message MultiInferenceResponse
        repeated InferenceResult results 1
file tensorflow_serving/apis/get_model_metadata.proto tensorflow.serving
    import google/protobuf/any.proto
    import tensorflow/core/protobuf/meta_graph.proto
    import tensorflow_serving/apis/model.proto
    message SignatureDefMap
        map string tensorflow.SignatureDef signature_def 1
    message GetModelMetadataRequest
        ModelSpec model_spec 1
        repeated string metadata_field 2
    message GetModelMetadataResponse
        ModelSpec model_spec 1
        map string google.protobuf.Any metadata 2
file tensorflow_serving/apis/prediction_service.proto tensorflow.serving
    import tensorflow_serving/apis/classification.proto
    import tensorflow_serving/apis/get_model_metadata.proto
    import tensorflow_serving/apis/inference.proto
    import tensorflow_serving/apis/predict.proto
    import tensorflow_serving/apis/regression.proto
    service PredictionService
        Classify ClassificationRequest ClassificationResponse
        Regress RegressionRequest RegressionResponse
        Predict PredictRequest PredictResponse
        MultiInference MultiInferenceRequest MultiInferenceResponse
        GetModelMetadata GetModelMetadataRequest GetModelMetadataResponse
file tensorflow_serving/apis/status.proto tensorflow.serving
    import tensorflow/core/protobuf/error_codes.proto
    message StatusProto
        tensorflow.error.Code error_code 1
        string error_message 2
file tensorflow_serving/apis/get_model_status.proto tensorflow.serving
    import tensorflow_serving/apis/model.proto
    import tensorflow_serving/apis/status.proto
    message GetModelStatusRequest
        ModelSpec model_spec 1
    message ModelVersionStatus
        int64 version 1
        ModelVersionStatus.State state 2
        StatusProto status 3
    enum ModelVersionStatus.State
        UNKNOWN 0
        START 10
        LOADING 20
        AVAILABLE 30
        UNLOADING 40
        END 50
    message GetModelStatusResponse
        repeated ModelVersionStatus model_version_status 1
file tensorflow_serving/config/log_collector_config.proto tensorflow.serving
    message LogCollectorConfig
        string type 1
        string filename_prefix 2
file tensorflow_serving/config/logging_config.proto tensorflow.serving
    import google/protobuf/any.proto
    import tensorflow_serving/config/log_collector_config.proto
    message PerTaskSamplingConfig
        string dc 1
        optional int32 task_index 2
        double sampling_rate 3
    message SamplingConfig
        double sampling_rate 1
        repeated PerTaskSamplingConfig per_task_sampling_configs 3
        int32 attributes 2
    enum SamplingConfig.Attributes
        ATTR_DEFAULT 0
        ATTR_REQUEST_ORIGIN 1
        ATTR_REQUEST_CRITICALITY 2
    message LoggingConfig
        LogCollectorConfig log_collector_config 1
        SamplingConfig sampling_config 2
        google.protobuf.Any custom_logging_config 3
file tensorflow_serving/config/file_system_storage_path_source.proto tensorflow.serving
    message FileSystemStoragePathSourceConfig
        repeated FileSystemStoragePathSourceConfig.ServableToMonitor servables 5
        int64 file_system_poll_wait_seconds 3
        bool fail_if_zero_versions_at_startup 4
        bool servable_versions_always_present 6
    message FileSystemStoragePathSourceConfig.ServableVersionPolicy
        FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest latest 100 policy_choice
        FileSystemStoragePathSourceConfig.ServableVersionPolicy.All all 101 policy_choice
        FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific specific 102 policy_choice
    message FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest
        uint32 num_versions 1
    message FileSystemStoragePathSourceConfig.ServableVersionPolicy.All
    message FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific
        repeated int64 versions 1
    message FileSystemStoragePathSourceConfig.ServableToMonitor
        string servable_name 1
        string base_path 2
        FileSystemStoragePathSourceConfig.ServableVersionPolicy servable_version_policy 4
file tensorflow_serving/config/model_server_config.proto tensorflow.serving
    import google/protobuf/any.proto
    import tensorflow_serving/config/file_system_storage_path_source.proto
    import tensorflow_serving/config/logging_config.proto
    enum ModelType
        MODEL_TYPE_UNSPECIFIED 0
        TENSORFLOW 1
        OTHER 2
    message ModelConfig
        string name 1
        string base_path 2
        ModelType model_type 3
        string model_platform 4
        FileSystemStoragePathSourceConfig.ServableVersionPolicy model_version_policy 7
        map string int64 version_labels 8
        LoggingConfig logging_config 6
    message ModelConfigList
        repeated ModelConfig config 1
    message ModelServerConfig
        ModelConfigList model_config_list 1 config
        google.protobuf.Any custom_model_config 2 config
file tensorflow_serving/apis/model_management.proto tensorflow.serving
    import tensorflow_serving/apis/status.proto
    import tensorflow_serving/config/model_server_config.proto
    message ReloadConfigRequest
        ModelServerConfig config 1
        repeated string metric_names 2
    message ReloadConfigResponse
        StatusProto status 1
        repeated Metric metric 2
    message Metric
        string name 1
        int64 int64_value_increase 2 value_increase
file tensorflow_serving/apis/model_service.proto tensorflow.serving
    import tensorflow_serving/apis/get_model_status.proto
    import tensorflow_serving/apis/model_management.proto
    service ModelService
        GetModelStatus GetModelStatusRequest GetModelStatusResponse
        HandleReloadConfigRequest ReloadConfigRequest ReloadConfigResponse
"""
