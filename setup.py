"""Packaging: `eas_processor` (engine and processor) and `eas_prediction` (client SDK)."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# The SDK's tests ran with the oldest and the newest of these.
CLIENT = [
    "numpy>=1.17",
    "protobuf>=3.19,<8",
    "tenacity>=8",
    "urllib3>=1.26,<3",
]
SERVER = [
    "httptools>=0.6",
    "msgspec>=0.19",
    "platformdirs>=4",
    "requests>=2.31",
    "rich>=13",
    "uv>=0.5",
    "uvloop>=0.21",
]
TENSORFLOW = ["tensorflow-cpu>=2.21,<2.22"]
EXAMPLES = ["scikit-learn>=1.4"]
DEV = [
    "h11>=0.14",
    "hypothesis>=6.100",
    "mypy>=1.14",
    "pytest>=8",
    "ruff>=0.9",
    "types-protobuf",
    "types-requests",
]

setup(
    name="eas-processor",
    version="0.1.0",
    description="An open, self-hosted Elastic Algorithm Service for TensorFlow models",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    # The floor of the SDK; the engine and `eascmd` need 3.10, and say so when started on less.
    python_requires=">=3.8",
    packages=find_packages(include=["eas_processor*", "eas_prediction*"]),
    package_data={
        "eas_processor": ["py.typed", "builds/locks/*.txt"],
        "eas_prediction": ["py.typed"],
    },
    install_requires=CLIENT,
    extras_require={
        "server": SERVER,
        "tensorflow": TENSORFLOW,
        "examples": EXAMPLES,
        "dev": DEV,
    },
    entry_points={"console_scripts": ["eascmd=eas_processor.cli.main:main"]},
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
