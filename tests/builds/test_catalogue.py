import pytest

from eas_processor.builds.catalogue import ALIASES, ENTRIES, find_entry, known_processors
from eas_processor.builds.locks import build_tools, content_hash, read_pins, versions
from eas_processor.errors import BuildError

NAMES = [entry.name for entry in ENTRIES]


def test_the_documented_processors_are_known():
    cpu = [f"tensorflow_cpu_{version}" for version in ("1.12", "1.14", "1.15", "2.3", "2.4", "2.7")]
    gpu = [f"tensorflow_gpu_{version}" for version in ("1.12", "1.14", "1.15", "2.4", "2.7")]
    newest = ["tensorflow_cpu", "tensorflow_gpu", "tensorflow_cpu_2.21", "tensorflow_gpu_2.21"]
    assert set(known_processors()) == {*cpu, *gpu, *newest}


@pytest.mark.parametrize("alias", ["tensorflow_cpu", "tensorflow_gpu"])
def test_a_name_without_version_is_the_newest(alias):
    assert find_entry(alias) == find_entry(f"{alias}_2.21") == find_entry(ALIASES[alias])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("tensorflow_cpu_1.16", "tensorflow_cpu_1.15"),
        ("tensorflow-cpu-2.7", "tensorflow_cpu_2.7"),
        ("tensorflow_gpu_2.3", "tensorflow_gpu_2.4"),
        ("TensorFlow_CPU_1.15", "tensorflow_cpu_1.15"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(BuildError, match=f"'{name}' is not known; did you mean .*{nearest}"):
        find_entry(name)


def test_a_name_that_is_near_to_none_is_refused_with_all():
    with pytest.raises(BuildError) as caught:
        find_entry("digits")
    assert str(caught.value) == (
        f"processor: 'digits' is not known; known are {', '.join(known_processors())}"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_names_the_tensorflow_of_its_entry(name):
    entry = find_entry(name)
    found = {n: v for n, v in versions(entry.lock).items() if n.startswith("tensorflow")}
    found.pop("tensorflow-estimator", None)
    assert list(found.values()) == [entry.tensorflow]


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_every_line_of_a_lock_is_a_pin_with_hashes(entry):
    for lock in filter(None, (entry.lock, entry.cuda_lock)):
        text = lock.read_text()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        pins = [line for line in lines if "==" in line]
        assert len(pins) == len(read_pins(lock)) == len(versions(lock))
        assert all(line.endswith(" \\") for line in pins)
        hashes = [line for line in lines if "==" not in line]
        assert len(hashes) >= len(pins)
        assert all(line.startswith("    --hash=sha256:") for line in hashes)


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_the_tools_that_build_source_archives_are_locked_too(entry):
    tools = build_tools(entry.lock)
    assert [line.partition("==")[0] for line in tools.splitlines() if "==" in line] == [
        "setuptools",
        "wheel",
    ]
    assert tools.count("--hash=sha256:") == 2


def test_the_content_hash_follows_the_locks():
    entry = find_entry("tensorflow_gpu_2.7")
    assert content_hash(entry) == content_hash(entry)
    assert content_hash(entry, with_cuda=True) != content_hash(entry)
    assert len({content_hash(each) for each in ENTRIES}) == len(ENTRIES)
