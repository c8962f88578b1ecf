"""A self-hosted model server: the engine, its workers, and `eascmd`."""

# Workers import this file on Python 3.6, so nothing else belongs here.
# eas_prediction has the same number; setup.py checks that.
__version__ = "0.3.0"
