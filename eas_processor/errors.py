"""
The errors of engine, service, builds and cli, in one tree.

    EasError
    ├── SetupError              ends the start: one sentence on stderr, exit status 1
    │   ├── ServiceFileError        service.json: a key, what was expected, what came
    │   ├── ModelFetchError         model_path: missing, corrupt, unsafe or cut off
    │   ├── WarmUpError             warm_up_data_path: unreadable, or refused by the model
    │   ├── HomeError               the data directory (EAS_HOME) cannot be written
    │   ├── BuildError              the processor build, its interpreter or its TensorFlow
    │   ├── UpdateError             the running service cannot be changed in this way
    │   └── StartError              no instance became ready, or the address is taken
    ├── BenchError              `eascmd bench` cannot start, or requests of its run failed
    ├── CallError               `eascmd predict` and others: an input, or what the service said
    └── RequestError            refuses one request: the status goes with it
        ├── BadRequest          400     ├── UnsupportedCoding   415
        ├── Unauthorized        401     ├── TooManyRequests     429
        ├── NotFound            404     ├── HeadersTooLarge     431
        ├── MethodNotAllowed    405     ├── QueueFull           450
        ├── DeadlineExceeded    408     ├── InternalError       500
        ├── LengthRequired      411     └── NotReady            503
        ├── BodyTooLarge        413
        ├── AnswerTooLarge      413
        └── TargetTooLong       414

What the packages for workers raise (`eas_wire.WireError`, `tf.errors.ProcessorError`) knows its
status too; it crosses the link as that number and its sentence.
"""


class EasError(Exception):
    """Whatever this project refuses to do, said in one sentence that a person can act on."""


class SetupError(EasError):
    """The service cannot start."""


class ServiceFileError(SetupError):
    """The service file is unreadable, or a value in it is impossible."""


class ModelFetchError(SetupError):
    """The model cannot be brought to a local path."""


class WarmUpError(SetupError):
    """The warm-up file is unreadable, or the model refused a request from it."""


class HomeError(SetupError):
    """The data directory cannot be written."""


class BuildError(SetupError):
    """The processor build is unknown or cannot run here."""


class UpdateError(SetupError):
    """The running service cannot be changed to what is asked for."""


class StartError(SetupError):
    """An instance did not become ready, or the engine cannot listen."""


class BenchError(EasError):
    """A benchmark cannot start, or some of its requests failed."""


class CallError(EasError):
    """A call by hand failed: an input cannot be read, or the model or service refuses it."""


class RequestError(EasError):
    """One request is refused with `status`."""

    status = 500


class BadRequest(RequestError):
    """The request cannot be understood."""

    status = 400


class Unauthorized(RequestError):
    """The token is missing or wrong."""

    status = 401


class NotFound(RequestError):
    """No service answers at this path."""

    status = 404


class MethodNotAllowed(RequestError):
    """The path exists, the method does not."""

    status = 405


class DeadlineExceeded(RequestError):
    """The request was not answered within `metadata.rpc.keepalive`."""

    status = 408


class LengthRequired(RequestError):
    """A body is announced without saying how long it is."""

    status = 411


class BodyTooLarge(RequestError):
    """The body is larger than the engine accepts."""

    status = 413


class AnswerTooLarge(RequestError):
    """The answer is larger than the engine holds for a client."""

    status = 413


class TargetTooLong(RequestError):
    """The path and query are longer than the engine accepts."""

    status = 414


class UnsupportedCoding(RequestError):
    """The body comes in a coding or format that is not understood here."""

    status = 415


class TooManyRequests(RequestError):
    """More requests came than `metadata.rpc.rate_limit` lets in."""

    status = 429


class HeadersTooLarge(RequestError):
    """The request line and headers are larger than the engine accepts."""

    status = 431


class QueueFull(RequestError):
    """Every worker is busy and the queue of `metadata.rpc.max_queue_size` requests is full."""

    status = 450


class InternalError(RequestError):
    """The processor failed for a reason that is not the request's."""

    status = 500


class NotReady(RequestError):
    """No instance can answer now."""

    status = 503
