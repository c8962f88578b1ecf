"""A limit of time for each test, so that one that hangs is named instead of holding up the rest."""

import pytest

LIMIT_S = 300
# The slow ones make builds and attack services for as long as the make target says.
LONG_LIMIT_S = 3600


def pytest_collection_modifyitems(config, items):
    # The Pythons of old builds may run without the plugin.
    if not config.pluginmanager.hasplugin("timeout"):
        return
    for item in items:
        if item.get_closest_marker("timeout") is None:
            long = any(item.get_closest_marker(name) for name in ("slow", "chaos"))
            item.add_marker(pytest.mark.timeout(LONG_LIMIT_S if long else LIMIT_S))
