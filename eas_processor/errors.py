"""
What ends a start or a command, in one tree.

    EasError
    ├── SetupError              ends the start: one sentence on stderr, exit status 1
    │   ├── ServiceFileError        service.json: a key, what was expected, what came
    │   ├── ModelFetchError         model_path: missing, corrupt, unsafe or cut off
    │   ├── WarmUpError             warm_up_data_path: unreadable, or refused by the model
    │   ├── HomeError               the data directory (EAS_HOME) cannot be written
    │   ├── BuildError              the processor build, its interpreter or its TensorFlow
    │   ├── UpdateError             the running service cannot be changed in this way
    │   │   └── NotAvailableError       a label is to name a version that does not serve
    │   └── StartError              no instance became ready, or the address is taken
    │       └── KilledError             somebody killed a process while it started
    ├── BenchError              `eascmd bench` cannot start, or requests of its run failed
    └── CallError               `eascmd predict` and others: an input, or what the service said

Why a call to a service is refused is another tree: `contracts.refusals`, with a status code each.
What runs in workers has trees of its own (`eas_wire.errors`, `codecs.errors`, `tf.errors`).
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


class NotAvailableError(UpdateError):
    """What is asked for needs a version that does not serve."""


class StartError(SetupError):
    """An instance did not become ready, or the engine cannot listen."""


class KilledError(StartError):
    """A process was killed from outside while it started: it is no fault of what it loads."""


class BenchError(EasError):
    """A benchmark cannot start, or some of its requests failed."""


class CallError(EasError):
    """A call by hand failed: an input cannot be read, or the model or service refuses it."""
