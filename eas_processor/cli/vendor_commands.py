"""Commands of the `eascmd` of PAI-EAS that do not exist here, each with what to use instead."""

from __future__ import annotations

from collections.abc import Sequence

_WORKERS = "lists instances; here `eascmd w SERVICE` does"
_LIST = "lists services; here `eascmd w` does"
_DELETE_WORKERS = (
    "restarts instances; here an instance that ends is started again by itself, and `eascmd w "
    "SERVICE` shows the pid of each"
)
_STOP = "here Ctrl-C or SIGTERM ends `eascmd serve` after the requests that it has accepted"
_COMMANDS = {
    "autoscale": "is not here yet; set metadata.instance and run `eascmd reload SERVICE`",
    "config": "stores keys of the cloud; here none are needed, and `eascmd serve` prints the token",
    "create": "starts a service; here `eascmd serve SERVICE.json` does",
    "cronscaler": "is not here yet; set metadata.instance and run `eascmd reload SERVICE`",
    "delete": f"{_STOP}; then delete the service file",
    "deleteworkers": _DELETE_WORKERS,
    "desc": "describes a service; here `eascmd w SERVICE --json` does",
    "describe": "describes a service; here `eascmd w SERVICE --json` does",
    "dw": _DELETE_WORKERS,
    "list": _LIST,
    "log": "shows a service's log; here `eascmd serve` writes it to stderr",
    "logs": "shows a service's log; here `eascmd serve` writes it to stderr",
    "ls": _LIST,
    "mirror": "copies requests to another service; that is not here yet",
    "modify": "changes a service; here, edit its file and run `eascmd reload SERVICE`",
    "network": "connects the cloud's networks; here there is nothing to connect",
    "pysdk": "packs custom processors in Python; here `eascmd processor new FOLDER` makes one, and "
    "processor_path in the service file names its folder or archive",
    "release": "weighs versions and groups; that is not here yet: `eascmd reload SERVICE` replaces "
    "the version, `eascmd rollback SERVICE` goes back",
    "resource": "manages machines of the cloud; here there are none",
    "scale": "changes the number of instances; here, set metadata.instance in the service file and "
    "run `eascmd reload SERVICE`",
    "showworkers": _WORKERS,
    "start": "starts a stopped service; here `eascmd serve SERVICE.json` does",
    "stop": _STOP,
    "upload": "copies a file to object storage; here model_path takes a local path or a URL, "
    "also of an object store",
}
_BENCH = (
    "create", "delete", "desc", "list", "ls", "report", "start", "stop", "update", "visualize",
)  # fmt: skip

NAMES = tuple(_COMMANDS)


def advice(words: Sequence[str]) -> str:
    """Return what to use instead of a vendor's command line, or '' for other command lines."""
    first, *rest = words or [""]
    if first in ("-c", "--config"):
        return f"`{first}` names a file of keys of the cloud; here none are needed, leave it out"
    if first in _COMMANDS:
        return f"`{first}` {_COMMANDS[first]}"
    if first == "bench" and rest and rest[0] in _BENCH:
        return (
            f"`bench {rest[0]}` manages load tests of the cloud; here `eascmd bench URL|SERVICE` "
            "runs one and prints its report"
        )
    if first == "version" and rest:
        return (
            "`version` with a service goes to another version; here `eascmd rollback SERVICE` goes "
            "to the one before, and `eascmd reload SERVICE` to what its file says"
        )
    return ""
