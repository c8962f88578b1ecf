"""The bill of materials names every package of a lock, and is the same each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eas_processor.builds.catalogue import ENTRIES, Entry, find_entry
from eas_processor.builds.export import export
from eas_processor.builds.locks import read_hashes, versions
from eas_processor.builds.sbom import bill_of_materials

pytestmark = pytest.mark.medium


DEVELOPMENT = Path(__file__).parents[2] / "tools" / "locks" / "development.txt"


def of_build(entry: Entry, locks: list[Path]) -> str:
    return bill_of_materials(entry.name, entry.tensorflow, locks)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda each: each.name)
def test_it_has_every_package_and_every_hash(entry: Entry) -> None:
    bill = json.loads(of_build(entry, [entry.lock]))
    assert {each["name"]: each["version"] for each in bill["components"]} == versions(entry.lock)
    hashes = {one["content"] for each in bill["components"] for one in each["hashes"]}
    assert hashes == read_hashes(entry.lock)
    refs = [each["bom-ref"] for each in bill["components"]]
    assert sorted(refs) == bill["dependencies"][0]["dependsOn"]
    assert len(set(refs)) == len(refs)


def test_versions_of_one_package_for_several_pythons_are_two_components() -> None:
    bill = json.loads(bill_of_materials("development", "1", [DEVELOPMENT]))
    text = DEVELOPMENT.read_text()
    assert len(bill["components"]) == len(
        [each for each in text.splitlines() if each[0] not in "# "]
    )
    hashes = [one["content"] for each in bill["components"] for one in each["hashes"]]
    assert len(hashes) == text.count("--hash=sha256:")
    assert len([each for each in bill["components"] if each["name"] == "numpy"]) == 2


def test_it_is_the_same_for_the_same_locks() -> None:
    entry, other = find_entry("tensorflow_cpu_2.21"), find_entry("tensorflow_cpu_1.15")
    assert of_build(entry, [entry.lock]) == of_build(entry, [entry.lock])
    numbers = {json.loads(of_build(each, [each.lock]))["serialNumber"] for each in (entry, other)}
    assert len(numbers) == 2


def test_a_name_is_written_as_package_urls_take_it() -> None:
    entry = find_entry("tensorflow_cpu_2.21")
    bill = json.loads(of_build(entry, [entry.lock]))
    (numpy,) = [each for each in bill["components"] if each["name"] == "numpy"]
    assert numpy["purl"] == f"pkg:pypi/numpy@{numpy['version']}"
    assert all(
        each["purl"] == each["purl"].lower().replace("_", "-") for each in bill["components"]
    )


def test_an_exported_build_has_one_with_cuda_where_it_was_asked_for(tmp_path: Path) -> None:
    entry = find_entry("tensorflow_gpu_2.7")
    export(entry, tmp_path / "plain")
    export(entry, tmp_path / "cuda", with_cuda=True)
    names = [
        {
            each["name"]
            for each in json.loads((tmp_path / kind / "sbom.cdx.json").read_text())["components"]
        }
        for kind in ("plain", "cuda")
    ]
    assert names[0] < names[1]
