"""
The program of a launcher: `python PACKAGES HOOKS LINK ENGINE`, with `-sE` in a build.

It is copied to CODE/__main__.py, so that CODE, which holds the packages for workers alone, is
the first place that Python looks for modules, whatever the current directory or the build's
site-packages hold.
"""

import os
import sys


def main() -> int:
    """Run the launcher until the engine closes the link."""
    # Read by OpenBLAS when numpy is imported: its threads would make fork unsafe, and TensorFlow
    # has its own.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from eas_processor.worker import process

    # Before numpy is imported, which takes longer than an engine that is killed may leave this.
    process.die_with_parent(int(sys.argv[-1]))
    try:
        from eas_processor.worker import launcher
    except ImportError as error:
        if error.name != "numpy":
            raise
        # The last line is what the engine tells.
        sys.exit(
            f"{sys.executable} has no numpy, which workers need: install it there, or name it in "
            "the processor's requirements.txt"
        )
    return launcher.main()


if __name__ == "__main__":
    sys.exit(main())
