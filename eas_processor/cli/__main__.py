"""`python -m eas_processor.cli` is `eascmd`."""

import sys

from eas_processor.cli.main import main

sys.exit(main())
