import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import pytest

from eas_processor.builds import find
from eas_processor.builds.find import Build, find_build
from eas_processor.builds.installed import Installed


@pytest.fixture
def install(monkeypatch):
    """Pretend that these distributions, by name and version, are all that is installed."""

    def pretend(**versions):
        found = {name.replace("_", "-"): version for name, version in versions.items()}

        def version(name):
            if name not in found:
                raise importlib.metadata.PackageNotFoundError(name)
            return found[name]

        spec = object() if found else None
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
        monkeypatch.setattr(importlib.metadata, "version", version)

    return pretend


@pytest.fixture(autouse=True)
def provisioned(monkeypatch, tmp_path):
    """The names of the builds that were asked for; none is made."""
    names = []

    def provision(entry, **_):
        names.append(entry.name)
        return Installed(tmp_path / entry.name, "3.7.16", "", with_cuda=False, size=0)

    monkeypatch.setattr(find, "provision", provision)
    return names


@pytest.mark.parametrize("distribution", ["tensorflow", "tensorflow_cpu"])
@pytest.mark.parametrize("name", ["tensorflow_cpu", "tensorflow_cpu_2.21"])
def test_the_newest_is_that_of_the_engine_where_it_has_one(
    install, provisioned, distribution, name
):
    install(**{distribution: "2.21.0"})
    assert find_build(name) == Build(
        name="tensorflow_cpu_2.21", python=Path(sys.executable), hooks="eas_processor.tf.hooks"
    )
    assert provisioned == []


@pytest.mark.parametrize("versions", [{}, {"tensorflow": "2.20.0"}, {"another": "1.0"}])
def test_the_newest_is_made_where_the_engine_has_no_such_tensorflow(install, provisioned, versions):
    install(**versions)
    find_build("tensorflow_cpu")
    assert provisioned == ["tensorflow_cpu_2.21"]


def test_another_build_is_made(install, provisioned, tmp_path):
    install(tensorflow_cpu="2.21.0")
    build = find_build("tensorflow_cpu_1.15")
    assert build.python == tmp_path / "tensorflow_cpu_1.15" / "bin" / "python"
    assert provisioned == ["tensorflow_cpu_1.15"]
