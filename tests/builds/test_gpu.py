import pytest
from builds import stub_cuda
from fixtures import need

from eas_processor.builds.catalogue import ENTRIES, find_entry
from eas_processor.builds.gpu import Gpus, Wanted, check_before_making, coverage, plan
from eas_processor.builds.installed import Installed
from eas_processor.errors import BuildError

GPU_ENTRIES = [entry for entry in ENTRIES if entry.gpu]
CAN_RUN_ON_CPU = [entry for entry in GPU_ENTRIES if not entry.cuda.linked]
needs_compiler = need.unless(stub_cuda.compiler(), "no C compiler for the stub of a driver")


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch, tmp_path):
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    for name in ("CUDA_VISIBLE_DEVICES", "STUB_GPUS", "STUB_CUINIT"):
        monkeypatch.delenv(name, raising=False)
    # A directory without libraries; a machine that has CUDA in the loader's cache is not for these.
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """A directory with a driver and every library that any build opens."""
    directory = tmp_path_factory.mktemp("cuda")
    names = {name for entry in GPU_ENTRIES for name in entry.cuda.libraries}
    stub_cuda.make_libraries(directory, tuple(names))
    stub_cuda.make_driver(directory)
    return directory


@pytest.fixture
def machine(monkeypatch, libraries):
    """Give this machine GPUs, by compute capability."""

    def have(gpus, **environment):
        monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
        monkeypatch.setenv("STUB_GPUS", gpus)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return have


@pytest.mark.parametrize("entry", CAN_RUN_ON_CPU, ids=lambda entry: entry.name)
def test_without_cards_asked_for_it_runs_on_the_cpu_with_one_warning(entry, caplog):
    assert plan(entry, None, Wanted()) == Gpus(environment={"CUDA_VISIBLE_DEVICES": "-1"})
    assert [record.getMessage() for record in caplog.records] == [
        f"{entry.name} runs on the CPU: metadata.gpu is 0 or not set"
    ]


@pytest.mark.parametrize("entry", GPU_ENTRIES, ids=lambda entry: entry.name)
def test_what_is_missing_is_named_with_its_version(entry):
    with pytest.raises(BuildError) as error:
        plan(entry, None, Wanted(gpu=1))
    message = str(error.value)
    assert message.startswith(f"metadata.gpu is 1, and {entry.name} needs the NVIDIA driver ")
    for wanted in (
        f"{entry.cuda.driver} or newer (libcuda.so.1 is not found)",
        f"CUDA {entry.cuda.version} and cuDNN {entry.cuda.cudnn} (not found: ",
        ", ".join(entry.cuda.libraries),
    ):
        assert wanted in message
    assert ("--with-cuda" in message) == (entry.cuda_lock is not None)


def test_1_12_is_linked_against_cuda_and_names_the_build_for_the_cpu():
    entry = find_entry("tensorflow_gpu_1.12")
    for wanted in (check_before_making, lambda entry, wanted: plan(entry, None, wanted)):
        with pytest.raises(BuildError) as error:
            wanted(entry, Wanted())
        assert "TensorFlow 1.12.0 is linked against CUDA" in str(error.value)
        assert "libcublas.so.9.0" in str(error.value)
        assert str(error.value).endswith("use tensorflow_cpu_1.12")


def test_a_missing_driver_is_said_before_a_build_is_made():
    with pytest.raises(BuildError, match=r"needs the NVIDIA driver 525\.60\.13 or newer"):
        check_before_making(find_entry("tensorflow_gpu"), Wanted(gpu=1))
    check_before_making(find_entry("tensorflow_gpu"), Wanted())
    check_before_making(find_entry("tensorflow_cpu"), Wanted(gpu=1))


def test_a_build_for_the_cpu_says_that_it_uses_no_card(caplog):
    assert plan(find_entry("tensorflow_cpu_1.15"), None, Wanted(gpu=1)) == Gpus()
    assert "tensorflow_cpu_1.15 runs on the CPU" in caplog.text


@pytest.mark.parametrize(
    ("name", "capability", "fits"),
    [
        ("tensorflow_gpu_1.15", "7.0", "compiled"),
        ("tensorflow_gpu_1.15", "7.5", "compiled"),
        ("tensorflow_gpu_1.15", "5.0", ""),
        ("tensorflow_gpu_1.15", "8.0", ""),
        ("tensorflow_gpu_2.7", "6.1", "compiled"),
        ("tensorflow_gpu_2.7", "8.6", "ptx"),
        ("tensorflow_gpu_2.7", "3.0", ""),
        ("tensorflow_gpu_2.21", "8.6", "compiled"),
        ("tensorflow_gpu_2.21", "9.0", "ptx"),
        ("tensorflow_gpu_2.21", "12.0", "ptx"),
        ("tensorflow_gpu_2.21", "5.2", ""),
    ],
)
def test_the_cards_that_the_kernels_cover(name, capability, fits):
    assert coverage(find_entry(name).cuda, capability) == fits


@needs_compiler
def test_a_driver_that_does_not_start_is_said(machine):
    machine("7.0", STUB_CUINIT="999")
    with pytest.raises(BuildError, match="cuInit of the driver failed with error 999"):
        plan(find_entry("tensorflow_gpu_1.15"), None, Wanted(gpu=1))


@needs_compiler
def test_cards_are_planned_for_the_instances(machine, caplog):
    machine("7.0 7.5")
    gpus = plan(find_entry("tensorflow_gpu_1.15"), None, Wanted(gpu=1, instances=2))
    assert (gpus.names, gpus.each, gpus.compiles) == (("0", "1"), 1, False)
    assert gpus.model_config == {"gpu_allow_growth": True}
    assert "CUDA_VISIBLE_DEVICES" not in gpus.environment
    assert caplog.records == []


@needs_compiler
def test_only_visible_cards_are_shared_out(machine):
    machine("3.0 7.0 7.0", CUDA_VISIBLE_DEVICES="2,1")
    entry = find_entry("tensorflow_gpu_1.15")
    assert plan(entry, None, Wanted(gpu=2)).names == ("2", "1")
    with pytest.raises(BuildError, match=r"need 3 GPU\(s\), and this machine shows 2"):
        plan(entry, None, Wanted(gpu=1, instances=3))


@needs_compiler
def test_two_instances_with_half_a_card_need_one(machine):
    machine("7.0")
    gpus = plan(find_entry("tensorflow_gpu_1.15"), None, Wanted(gpu=0.5, instances=2))
    assert (gpus.names, gpus.each) == (("0",), 1)
    assert gpus.model_config == {"gpu_allow_growth": True, "gpu_memory_fraction": 0.5}


@needs_compiler
def test_gpu_memory_is_a_share_of_the_smallest_card(machine):
    machine("7.0 7.0")
    gpus = plan(find_entry("tensorflow_gpu_1.15"), None, Wanted(gpu=2, gpu_memory=4))
    assert gpus.model_config["gpu_memory_fraction"] == 0.25


@needs_compiler
def test_a_card_without_kernels_is_refused_by_name(machine):
    machine("7.0 8.6")
    with pytest.raises(BuildError) as error:
        plan(find_entry("tensorflow_gpu_1.15"), None, Wanted(gpu=1))
    assert "no kernels for Stub 1 (compute capability 8.6)" in str(error.value)


@needs_compiler
def test_kernels_that_the_driver_compiles_are_announced_and_kept(machine, caplog, tmp_path):
    machine("8.6")
    gpus = plan(find_entry("tensorflow_gpu_2.4"), None, Wanted(gpu=1))
    assert gpus.compiles
    cache = tmp_path / "home" / "cuda-cache" / "tensorflow_gpu_2.4"
    assert gpus.environment["CUDA_CACHE_PATH"] == str(cache)
    assert cache.is_dir()
    assert int(gpus.environment["CUDA_CACHE_MAXSIZE"]) == 4 * 1024**3
    assert len(caplog.records) == 1
    assert "Stub 0 (compute capability 8.6)" in caplog.text


@needs_compiler
def test_the_libraries_that_the_build_has_brought_are_found(monkeypatch, tmp_path):
    entry = find_entry("tensorflow_gpu_2.7")
    made = Installed(tmp_path / "build", "3.9.1", "", with_cuda=True, size=0)
    directory = made.site_packages / "nvidia" / "all" / "lib"
    stub_cuda.make_libraries(directory, entry.cuda.libraries)
    gpus = plan(entry, made, Wanted())
    assert gpus.environment["LD_LIBRARY_PATH"] == f"{directory}:{tmp_path}"
    with pytest.raises(BuildError) as error:
        plan(entry, made, Wanted(gpu=1))
    assert str(error.value) == (
        "metadata.gpu is 1, and tensorflow_gpu_2.7 needs the NVIDIA driver 450.80.02 or newer "
        "(libcuda.so.1 is not found)"
    )
    without = Installed(tmp_path / "build", "3.9.1", "", with_cuda=False, size=0)
    with pytest.raises(BuildError, match="not found: libcudart"):
        plan(entry, without, Wanted(gpu=1))
