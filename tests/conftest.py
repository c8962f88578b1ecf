"""A limit of time for each test, so that one that hangs is named instead of holding up the rest."""

import pytest

try:
    from hypothesis import settings
except ImportError:
    pass  # the SDK's environments lack it, and its tests do without
else:
    # Random inputs show no speed: a busy machine takes longer than hypothesis allows by default.
    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")

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
