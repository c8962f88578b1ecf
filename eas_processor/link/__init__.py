"""
The frames that engine, launcher and worker exchange over Unix sockets.

Python 3.6 and newer, standard library only.
"""
