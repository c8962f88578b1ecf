import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import pytest

from eas_processor.builds import find
from eas_processor.builds.find import Build, find_build
from eas_processor.builds.installed import Installed
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


@pytest.fixture(autouse=True)
def provisioned(monkeypatch, tmp_path):
    """The names of the builds that were asked for; none is made."""
    names = []

    def provision(entry, *, with_cuda, **_):
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


@pytest.mark.parametrize("module", ["tensorflow_text", "tensorflow_text.core"])
def test_a_package_of_operations_is_added(install, provisioned, module):
    install(tensorflow_cpu="2.21.0")
    build = find_build("tensorflow_cpu_1.15", modules=[module])
    assert build.name == "tensorflow_cpu_1.15+tensorflow_text"
    find_build("tensorflow_cpu", modules=[module])
    find_build("tensorflow_cpu_1.15+tensorflow_text", modules=[module])
    assert provisioned == [build.name, build.name]


def test_the_engines_own_environment_may_have_it(install, provisioned, monkeypatch):
    install(tensorflow_cpu="2.21.0")
    assert find_build("tensorflow_cpu", modules=["blade.runtime"]).python == Path(sys.executable)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "tensorflow" or None)
    assert find_build("tensorflow_cpu", modules=["tensorflow_text"]).name == (
        "tensorflow_cpu_2.21+tensorflow_text"
    )


def test_what_an_unknown_name_would_bring_is_not_installed_unasked(
    install, provisioned, monkeypatch, tmp_path
):
    install()
    with pytest.raises(BuildError) as caught:
        find_build("tensorflow_cpu_1.15", modules=["tensorflow_text", "blade.runtime"])
    assert str(caught.value) == (
        "model_config.op_libraries names blade and tensorflow_text, which tensorflow_cpu_1.15 does "
        "not have; `eascmd build tensorflow_cpu_1.15 --with blade --with tensorflow_text` makes a "
        "build with it, which is used from then on"
    )
    there = Installed(tmp_path, "3.7.16", "", with_cuda=False, size=0)
    monkeypatch.setattr(find, "find_installed", lambda entry: there if "+" in entry.name else None)
    build = find_build("tensorflow_cpu_1.15", modules=["tensorflow_text", "blade.runtime"])
    assert build.name == "tensorflow_cpu_1.15+blade+tensorflow_text"


def test_a_package_that_somebody_put_into_the_build(install, provisioned, monkeypatch, tmp_path):
    install()
    there = Installed(tmp_path, "3.7.16", "", with_cuda=False, size=0)
    (there.site_packages / "blade").mkdir(parents=True)
    monkeypatch.setattr(find, "find_installed", lambda entry: there)
    find_build("tensorflow_cpu_1.15", modules=["blade.runtime"])
    assert provisioned == ["tensorflow_cpu_1.15"]


def test_a_gpu_build_with_a_package_has_cuda_where_its_base_has(install, monkeypatch, tmp_path):
    install()
    asked = []
    there = Installed(tmp_path, "3.9.18", "", with_cuda=True, size=0)
    monkeypatch.setattr(find, "find_installed", lambda entry: None if "+" in entry.name else there)
    monkeypatch.setattr(
        find, "provision", lambda entry, *, with_cuda, **_: asked.append(with_cuda) or there
    )
    monkeypatch.setattr(find, "check_before_making", lambda *_: None)
    find_build("tensorflow_gpu_2.7", modules=["tensorflow_text"])
    assert asked == [True]
