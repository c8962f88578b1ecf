import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import pytest

from eas_processor.builds.catalogue import Build, find_build, known_processors
from eas_processor.errors import BuildError


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


@pytest.mark.parametrize("distribution", ["tensorflow", "tensorflow_cpu"])
@pytest.mark.parametrize("name", ["tensorflow_cpu", "tensorflow_cpu_2.21"])
def test_a_known_name_is_found(install, distribution, name):
    install(**{distribution: "2.21.0"})
    assert find_build(name) == Build(
        name="tensorflow_cpu_2.21", python=Path(sys.executable), hooks="eas_processor.tf.hooks"
    )


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(BuildError) as caught:
        find_build("pmml")
    assert str(caught.value) == (
        "processor: 'pmml' is not known; known are tensorflow_cpu, tensorflow_cpu_2.21"
    )


def test_a_missing_tensorflow_is_said_with_the_command_that_installs_it(install):
    install()
    with pytest.raises(BuildError) as caught:
        find_build("tensorflow_cpu")
    assert str(caught.value) == (
        "processor: tensorflow_cpu_2.21 needs TensorFlow 2.21, which is not installed here; "
        f"get it with: {sys.executable} -m pip install 'eas-processor[tensorflow]'"
    )


@pytest.mark.parametrize("version", ["2.20.0", "2.2.1", "3.21.0"])
def test_another_tensorflow_is_said_with_where_it_is(install, version):
    install(tensorflow=version)
    with pytest.raises(BuildError) as caught:
        find_build("tensorflow_cpu")
    assert f"but {version} is installed in {sys.prefix}" in str(caught.value)


def test_a_directory_called_tensorflow_is_no_tensorflow(install):
    install(another="1.0")
    with pytest.raises(BuildError, match="is not installed here"):
        find_build("tensorflow_cpu")


def test_every_known_name_is_accepted(install):
    install(tensorflow_cpu="2.21.1")
    assert {find_build(name).name for name in known_processors()} == {"tensorflow_cpu_2.21"}
