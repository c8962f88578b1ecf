"""An engine of its own process, to be killed: `python engine_process.py LAUNCHER-COMMAND...`."""

import os
import socket
import subprocess
import sys


def main(command):
    """Start a launcher and a worker, say so on stdout, and wait to be killed."""
    from eas_processor.link.blocking import FrameReader
    from eas_processor.link.frames import LAUNCH, READY, pack
    from eas_processor.link.spec import WorkerSpec

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(command[3])
    listener.listen(8)
    subprocess.Popen(command, close_fds=False, start_new_session=True)
    launcher = listener.accept()[0]
    spec = WorkerSpec(1, "", "", 1, 1, 0.0, False, {})
    launcher.sendall(pack(LAUNCH, spec.pack()))
    links = [listener.accept()[0] for _ in range(4)]
    kinds = {frame[0] for frame in FrameReader(links[1]).read()}
    while READY not in kinds:
        kinds = {frame[0] for frame in FrameReader(links[1]).read()}
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    main(sys.argv[1:])
