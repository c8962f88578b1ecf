"""The general services of gRPC (health, reflection), in the format of `descriptors`."""

_HEALTH = """\
file grpc/health/v1/health.proto grpc.health.v1
    message HealthCheckRequest
        string service 1
    message HealthCheckResponse
        HealthCheckResponse.ServingStatus status 1
    enum HealthCheckResponse.ServingStatus
        UNKNOWN 0
        SERVING 1
        NOT_SERVING 2
        SERVICE_UNKNOWN 3
    service Health
        Check HealthCheckRequest HealthCheckResponse
        Watch HealthCheckRequest stream HealthCheckResponse
"""
_REFLECTION = """\
file grpc/reflection/VERSION/reflection.proto grpc.reflection.VERSION
    message ServerReflectionRequest
        string host 1
        string file_by_filename 3 message_request
        string file_containing_symbol 4 message_request
        ExtensionRequest file_containing_extension 5 message_request
        string all_extension_numbers_of_type 6 message_request
        string list_services 7 message_request
    message ExtensionRequest
        string containing_type 1
        int32 extension_number 2
    message ServerReflectionResponse
        string valid_host 1
        ServerReflectionRequest original_request 2
        FileDescriptorResponse file_descriptor_response 4 message_response
        ExtensionNumberResponse all_extension_numbers_response 5 message_response
        ListServiceResponse list_services_response 6 message_response
        ErrorResponse error_response 7 message_response
    message FileDescriptorResponse
        repeated bytes file_descriptor_proto 1
    message ExtensionNumberResponse
        string base_type_name 1
        repeated int32 extension_number 2
    message ListServiceResponse
        repeated ServiceResponse service 1
    message ServiceResponse
        string name 1
    message ErrorResponse
        int32 error_code 1
        string error_message 2
    service ServerReflection
        ServerReflectionInfo stream ServerReflectionRequest stream ServerReflectionResponse
"""

FILES = _HEALTH + _REFLECTION.replace("VERSION", "v1alpha") + _REFLECTION.replace("VERSION", "v1")
