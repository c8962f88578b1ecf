"""The engine as a program: `python serve.py JSON`; prints its address when it is ready."""

import json
import logging
import sys
from pathlib import Path

from eas_processor.builds.rooms import rooms_directory
from eas_processor.engine.engine import run
from eas_processor.engine.settings import EngineSettings, ServiceSettings, WorkerSettings
from eas_processor.errors import SetupError


def main() -> int:
    options = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    worker = WorkerSettings(
        build="echo",
        python=Path(sys.executable),
        rooms=rooms_directory(),
        model_entry=Path("/"),
        **options["worker"],
    )
    service = ServiceSettings(name="echo", worker=worker, **options["service"])
    try:
        run(
            EngineSettings(**options["engine"]),
            service,
            lambda address, _: print(address, flush=True),
        )
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
