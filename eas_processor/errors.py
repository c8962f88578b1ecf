"""
The errors that end a start or a command.

    EasError
    ├── SetupError              ends the start: one sentence on stderr, exit status 1
    │   ├── ServiceFileError        service.json: a key, the expected and the actual value
    │   ├── ModelFetchError         model_path: missing, corrupt, unsafe or cut off
    │   ├── WarmUpError             warm_up_data_path: unreadable, or refused by the model
    │   ├── HomeError               the data directory (EAS_HOME) cannot be written
    │   ├── BuildError              the processor build, its interpreter or its TensorFlow
    │   ├── UpdateError             the running service cannot be changed in this way
    │   │   └── NotAvailableError       a label needs a version that does not serve
    │   └── StartError              no instance became ready, or the address is in use
    │       └── KilledError             a process was killed from outside while it started
    ├── BenchError              `eascmd bench` cannot start, or some of its requests failed
    └── CallError               `eascmd predict` and others: a bad input, or a refused call

Refusals of calls are another tree: `contracts.refusals`, with a status code each. The code that
runs in workers has its own trees: `eas_wire.errors`, `codecs.errors` and `tf.errors`.
"""


class EasError(Exception):
    """Base of this project's errors; the text is one sentence that tells a person what to do."""


class SetupError(EasError):
    """The service cannot start."""


class ServiceFileError(SetupError):
    """The service file is unreadable, or a value in it is invalid."""


class ModelFetchError(SetupError):
    """The model cannot be brought to a local path."""


class WarmUpError(SetupError):
    """The warm-up file is unreadable, or the model refused a request from it."""


class HomeError(SetupError):
    """The data directory cannot be written."""


class BuildError(SetupError):
    """The processor build is unknown or cannot run here."""


class UpdateError(SetupError):
    """The running service cannot be changed in the requested way."""


class NotAvailableError(UpdateError):
    """The requested change needs a version that does not serve."""


class StartError(SetupError):
    """An instance did not become ready, or the engine cannot listen."""


class KilledError(StartError):
    """A process was killed from outside while it started, so its model is not at fault."""


class BenchError(EasError):
    """A benchmark cannot start, or some of its requests failed."""


class CallError(EasError):
    """A call from the command line failed: an unreadable input, or a refusal of the service."""
