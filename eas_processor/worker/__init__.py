"""
The processes that run a processor build's own interpreter. Python 3.6 and newer.

`start.py` is the program; `launcher.py` imports the hooks once and forks; `worker.py` is one
instance.
"""
