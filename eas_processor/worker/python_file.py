"""
Load a processor from a Python file: hooks as functions, or a class as for the vendor's platform.

A file that defines `initialize` and `process` is imported as a module. Any other file runs as a
script, with the name `__main__`, and chooses the instance that serves by `MyProcessor(...).run()`.
If no instance is run, the only subclass of `allspark.BaseProcessor` is instantiated.
"""

import ast
import importlib
import json
import logging
import os
import sys
from types import ModuleType
from typing import Any, Iterator, List, Tuple

from eas_processor.worker.class_hooks import ClassHooks
from eas_processor.worker.errors import HooksError
from eas_processor.worker.function_hooks import FunctionHooks

log = logging.getLogger("eas_processor.worker")

ARGUMENTS = "EAS_SCRIPT_ARGUMENTS"
"""The environment variable with the script's arguments, as a JSON list."""

MODULES = "EAS_SCRIPT_MODULES"
"""The environment variable with further directories of the script's modules, like PYTHONPATH."""

# The file's own name might be the name of a module that is imported elsewhere.
_HOOKS_MODULE = "processor_hooks"
_SCRIPT = "__main__"
_NEEDED = ("initialize", "process")
_VENDOR_MODULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vendor_modules")


def load(path: str) -> Any:
    """
    Run the file at `path`, and return an object with its hooks as attributes.

    The file's directory becomes the first of `sys.path`. Raises HooksError.
    """
    name = os.path.basename(path)
    allspark = _find_modules_of(path)
    try:
        module = _run(path)
    except BaseException as error:
        # `run()` leaves the script by SystemExit.
        if not (isinstance(error, SystemExit) and allspark.served):
            raise _import_failure(path, error) from error
        module = sys.modules[_SCRIPT]
    if all(hasattr(module, hook) for hook in _NEEDED):
        return FunctionHooks(module, name)
    return ClassHooks(_instance_of(module, allspark, path), allspark, name)


def defines_hooks(tree: ast.Module) -> bool:
    """Return whether a file defines the hooks `initialize` and `process`, so is not a script."""
    names = set(_bound(tree))
    return "*" in names or names.issuperset(_NEEDED)


def _bound(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the file's top-level statements bind; `*` for `from m import *`."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.ImportFrom):
            yield from (each.asname or each.name for each in node.names)


def _find_modules_of(path: str) -> Any:
    """
    Prepare `sys.path` for the processor at `path`, and return the module `allspark`.

    The processor's own modules come first. Our `allspark` replaces the vendor's.
    """
    if _VENDOR_MODULES not in sys.path:
        sys.path.insert(0, _VENDOR_MODULES)
    allspark: Any = importlib.import_module("allspark")
    allspark.in_worker = True
    del allspark.served[:]
    more = [each for each in os.environ.get(MODULES, "").split(os.pathsep) if each]
    sys.path[:0] = [os.path.dirname(os.path.abspath(path)), *more]
    return allspark


def _run(path: str) -> ModuleType:
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    module = ModuleType(_HOOKS_MODULE if defines_hooks(tree) else _SCRIPT)
    module.__file__ = path
    # Pickles that were made by such a script look for their classes here.
    sys.modules[module.__name__] = module
    sys.argv = [path, *json.loads(os.environ.get(ARGUMENTS, "[]"))]
    exec(compile(tree, path, "exec", dont_inherit=True), vars(module))  # noqa: S102 - the user's file
    return module


def _import_failure(path: str, error: BaseException) -> HooksError:
    if isinstance(error, SystemExit):
        return HooksError(
            f"the processor {path} exited during its import ({error!r}), expected the hooks "
            "`initialize` and `process` or a call of run()"
        )
    if not isinstance(error, (ImportError, OSError)):
        log.error("import of %s failed", path, exc_info=error)
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        hint = "; list the packages that it needs in a requirements.txt beside it"
    reason = f"{type(error).__name__}: {error}{hint}"
    return HooksError(f"the processor {path} cannot be imported: {reason}")


def _instance_of(module: ModuleType, allspark: Any, path: str) -> Any:
    """Return the instance of `allspark.BaseProcessor` that serves. Raises HooksError."""
    if allspark.served:
        return allspark.served[-1]
    classes = list(_subclasses(module, allspark.BaseProcessor))
    own = [each for each in classes if each.__module__ == module.__name__] or classes
    if not own:
        missing = next(hook for hook in _NEEDED if not hasattr(module, hook))
        raise HooksError(
            f"the processor {path} has no hook `{missing}`, and no subclass of "
            "allspark.BaseProcessor"
        )
    if len(own) > 1:
        names = ", ".join(each.__name__ for each in own)
        raise HooksError(
            f"the processor {path} has {len(own)} subclasses of allspark.BaseProcessor ({names}) "
            "and runs none; call run() on an instance of one"
        )
    try:
        return own[0]()
    except Exception as error:
        log.error("%s() failed", own[0].__name__, exc_info=error)
        raise HooksError(
            f"the processor {path}: {own[0].__name__}() failed with {type(error).__name__}: {error}"
        ) from error


def _subclasses(module: ModuleType, base: Any) -> Iterator[Any]:
    found: List[Tuple[str, Any]] = sorted(vars(module).items())
    for _, each in found:
        if isinstance(each, type) and issubclass(each, base) and each is not base:
            yield each
