"""An engine in a separate process that tests can kill: `python engine_process.py CODE HOOKS`."""

import ctypes
import os
import socket
import subprocess
import sys
from array import array

PR_SET_CHILD_SUBREAPER = 36


def main(code, hooks):
    """Start a launcher, its spare and a worker; report that on stdout, and wait to be killed."""
    from eas_processor.link.blocking import FrameReader
    from eas_processor.link.frames import CHANNELS, FORK, LAUNCH, READY, pack
    from eas_processor.link.spec import WorkerSpec

    def send(kind, payload, sockets):
        descriptors = array("i", [each.fileno() for each in sockets])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
        link.sendmsg([pack(kind, payload)], rights)
        for each in sockets:
            each.close()

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    link, theirs = socket.socketpair()
    command = [sys.executable, "-sE", code, hooks, str(theirs.fileno()), str(os.getpid())]
    os.set_inheritable(theirs.fileno(), True)
    subprocess.Popen(command, close_fds=False, start_new_session=True)
    theirs.close()
    if not hooks.endswith("threaded.py"):
        pairs = [socket.socketpair() for _ in range(2)]
        send(FORK, b"", [other for _, other in pairs])
        FrameReader(pairs[0][0]).read()
    pairs = [socket.socketpair() for _ in CHANNELS]
    send(LAUNCH, WorkerSpec(1, "", "", 1, 1, 0.0, False, {}).pack(), [other for _, other in pairs])
    reader, kinds = FrameReader(pairs[0][0]), set()
    while READY not in kinds:
        kinds = {frame[0] for frame in reader.read()}
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    main(*sys.argv[1:])
