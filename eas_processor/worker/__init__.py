"""
The processes that run on a processor build's own interpreter, Python 3.6 or newer.

`start.py` is their program. `launcher.py` imports the hooks once and forks workers. `worker.py`
runs one instance.
"""
