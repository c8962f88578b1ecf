"""
The frames that engine, launchers and workers exchange over Unix sockets.

This package runs on Python 3.6 and newer. Only `blocking`, the workers' side, needs numpy.
"""
