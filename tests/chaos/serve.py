"""An engine that can be updated: `python serve.py FILE`, whose JSON it reads again on a reload."""

import json
import logging
import sys
from pathlib import Path

from eas_processor.app.engine import Offer, run
from eas_processor.app.running import Entries
from eas_processor.builds.worker_code import worker_code_directory
from eas_processor.contracts.settings import EngineSettings, ServiceSettings, WorkerSettings

sys.path.append(str(Path(__file__).parents[1] / "fixtures"))

from fixed_source import FixedSource


def read(path: Path) -> ServiceSettings:
    options = json.loads(path.read_text())
    worker = WorkerSettings(
        build="version",
        python=Path(sys.executable),
        code=worker_code_directory(),
        hooks=str(Path(__file__).parents[1] / "processors" / "version.py"),
        model_entry=Path("/"),
        model_config=options.pop("version"),
        threads=4,
        batch_size=16,
    )
    warm_up = (b"warm",)
    return ServiceSettings(name="echo", token="", worker=worker, warm_up=warm_up, **options)


def main() -> None:
    path = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    settings = EngineSettings(port=0, admin_token="admin", drain_moment=0.1)
    source = FixedSource(read(path), lambda: read(path))

    class Printed(Entries):
        """Prints where the admin routes are."""

        def open(self, address: str) -> None:
            print(address, flush=True)

    with Printed() as entries:
        run(settings, Offer([source]), lambda address, *_: print(address, flush=True), entries)


if __name__ == "__main__":
    main()
