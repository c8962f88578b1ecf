"""A self-hosted model server: the engine, its workers, and `eascmd`."""

# Workers import this file on Python 3.6, so it contains nothing else.
# eas_prediction has the same version; setup.py checks that.
__version__ = "0.3.0"
