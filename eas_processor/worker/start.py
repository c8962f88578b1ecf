"""
The program of a launcher: `python CODE HOOKS LINK ENGINE`, with `-sE` in a processor build.

CODE is the directory with the worker packages, and this file is copied to CODE/__main__.py. Python
then looks for modules in CODE first, before the current directory and the build's site-packages.
HOOKS are a name or path, LINK is a descriptor, and ENGINE is the engine's pid.
"""

import os
import sys


def main() -> int:
    """Run the launcher until the engine closes the link; return the exit status."""
    # OpenBLAS reads this when numpy is imported. Its threads would make fork unsafe, and
    # TensorFlow has its own.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from eas_processor.worker import process

    # Before the import of numpy, which takes a while: the engine may be killed meanwhile.
    process.die_with_parent(int(sys.argv[-1]))
    try:
        from eas_processor.worker import launcher
    except ImportError as error:
        if error.name != "numpy":
            raise
        # The engine shows the last line of the output.
        sys.exit(
            f"{sys.executable} has no numpy, which workers need: install it there, or list it in "
            "the processor's requirements.txt"
        )
    return launcher.main()


if __name__ == "__main__":
    sys.exit(main())
