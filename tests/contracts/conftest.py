from fixtures.engine import *  # noqa: F403 - fixtures
