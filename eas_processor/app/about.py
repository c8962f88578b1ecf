"""The versions of this installation, for bug reports."""

from __future__ import annotations

import platform

from eas_processor.builds.catalogue import ENTRIES
from eas_processor.builds.extended import installed_extended
from eas_processor.builds.find import is_own
from eas_processor.builds.installed import find_installed
from eas_processor.link.frames import LINK_VERSION


def about() -> dict[str, str]:
    """Return the versions of the interpreter and the link, and the names of installed builds."""
    builds = [each.name for each in ENTRIES if is_own(each) or find_installed(each)]
    builds += [each.name for each in installed_extended()]
    return {
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "link": str(LINK_VERSION),
        "builds": ", ".join(builds) or "none",
    }
