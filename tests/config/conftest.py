from fixtures.service_files import *  # noqa: F403 - fixtures
