from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Reply, Server

from eas_processor.errors import ModelFetchError
from eas_processor.service import download as module
from eas_processor.service.download import download

BODY = os.urandom(300_000)
