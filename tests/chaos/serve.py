"""An engine that can be updated: `python serve.py FILE`, whose JSON it reads again on a reload."""

import json
import logging
import sys
from pathlib import Path

from eas_processor.app.engine import Control, run
from eas_processor.builds.worker_code import worker_code_directory
from eas_processor.contracts.settings import EngineSettings, ServiceSettings, WorkerSettings


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
    control = Control(lambda: read(path), lambda address: print(address, flush=True))
    run(settings, read(path), lambda address, _: print(address, flush=True), control)


if __name__ == "__main__":
    main()
