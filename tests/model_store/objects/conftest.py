from fixtures.object_store import *  # noqa: F403 - fixtures
from fixtures.service_files import *  # noqa: F403 - fixtures
