"""Real launchers and workers with a small engine; no process is left after a test."""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from array import array
from collections import deque

import pytest

from eas_processor.link.blocking import FrameReader
from eas_processor.link.frames import (
    CHANNELS,
    FORK,
    HEAD,
    HEARTBEAT,
    HELLO,
    LAUNCH,
    PREDICT,
    READY,
    TIMES,
)
from eas_processor.link.spec import WorkerSpec

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROCESSORS = os.path.join(REPOSITORY, "tests", "processors")
TIMEOUT_S = 30.0
PR_SET_CHILD_SUBREAPER = 36


class Link:
    """The engine's end of one socket: it sends frames, and receives them one at a time."""

    def __init__(self, sock):
        sock.settimeout(TIMEOUT_S)
        self.sock = sock
        self._reader = FrameReader(sock)
        self._frames = deque()

    def send(self, kind, payload=b"", number=0, deadline=0.0, codec=0):
        self.sock.sendall(HEAD.pack(len(payload), kind, codec, 0, number, deadline) + payload)

    def send_with(self, kind, payload, sockets):
        """Send a frame that hands over `sockets`, which are closed here."""
        descriptors = array("i", [each.fileno() for each in sockets])
        self.sock.sendmsg(
            [HEAD.pack(len(payload), kind, 0, 0, 0, 0.0) + payload],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)],
        )
        for each in sockets:
            each.close()

    def next(self, *ignored):
        """Return kind, code, number and payload of the next frame, without `ignored` kinds."""
        ignored += (TIMES,)
        while True:
            if not self._frames:
                self._frames.extend(self._reader.read())
            kind, _, code, number, _, payload = self._frames.popleft()
            if kind not in ignored:
                return kind, code, number, bytes(payload)

    def closed(self):
        """Wait for the other side to close, as the end of its process does."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


class Instance:
    """The sockets of one worker by channel, and the payload of READY or FAILED."""

    def __init__(self, links, hello, kind, said):
        self.control, self.log = links["control"], links["log"]
        self.data, self.bulk = links["data"], links["bulk"]
        self.pid = hello["pid"]
        self.kind, self.said = kind, said

    def ask(self, body, number=1, deadline=0.0):
        """Send a request and return status and payload of the next answer."""
        self.data.send(PREDICT, body, number, deadline)
        _, status, answered, payload = self.data.next()
        assert answered == number
        return status, payload

    def printed(self, last):
        """Return the output of the worker up to and including `last`."""
        text = b""
        while last not in text:
            piece = self.log.sock.recv(65536)
            assert piece, text
            text += piece
        return text.decode()


class Engine:
    """Starts launchers, and is the parent of all processes that they fork, as the engine is."""

    def __init__(self, code):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._code = code
        self._links, self._pids = [], set()
        # Every process inherits the one end, so the other reads EOF when none is left.
        self._lifeline, self._inherited = os.pipe()
        self.launcher = None
        self.last = 0
        """The pid of the worker that was launched last."""

    def start(self, hooks):
        """Start a launcher and return its HELLO and link."""
        if not os.path.isabs(hooks):
            hooks = os.path.join(PROCESSORS, hooks)
        ours, theirs = socket.socketpair()
        self.launcher = subprocess.Popen(
            [sys.executable, "-sE", self._code, hooks, str(theirs.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[self._inherited, theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        link = self._link(ours)
        return self._hello(link), link

    def copy(self, launcher):
        """Let a launcher fork a spare; return the HELLO, the link and the output of the spare."""
        (link, output), theirs = self._pairs(2)
        launcher.send_with(FORK, b"", theirs)
        return self._hello(link), link, output

    def launch(
        self, launcher, number=1, threads=2, batch_size=1, config="", model_entry="the model"
    ):
        """Let a launcher start a worker, and return it when it is ready or has failed."""
        spec = WorkerSpec(
            instance=number,
            model_entry=model_entry,
            model_config=config,
            threads=threads,
            batch_size=batch_size,
            batch_wait=0.0,
            sigterm=False,
            environment={"EAS_TEST_CARD": str(number)},
        )
        ours, theirs = self._pairs(len(CHANNELS))
        launcher.send_with(LAUNCH, spec.pack(), theirs)
        links = dict(zip(CHANNELS, ours))
        kind, _, _, payload = links["control"].next()
        if kind != HELLO:
            return Instance(links, {"pid": 0}, kind, payload)
        hello = json.loads(payload.decode())
        self.last = hello["pid"]
        self._pids.add(self.last)
        kind, _, _, said = links["control"].next(HEARTBEAT)
        return Instance(links, hello, kind, said)

    def worker(self, hooks="echo.py", **options):
        """Start a launcher and a worker; return the launcher's link, and the ready worker."""
        _, launcher = self.start(hooks)
        instance = self.launch(launcher, **options)
        assert instance.kind == READY, instance.said
        return launcher, instance

    def exited(self, pid):
        """Wait for the end of a worker; return its status from `waitpid`."""
        return os.waitpid(pid, 0)[1]

    def vanish(self):
        """Close every socket, as the kernel does for an engine that is killed."""
        for link in self._links:
            link.sock.close()

    def all_gone(self):
        """Wait until no launcher and no worker is left."""
        if self._inherited is not None:
            os.close(self._inherited)
            self._inherited = None
        return bool(select.select([self._lifeline], [], [], TIMEOUT_S)[0])

    def end(self):
        self.vanish()
        if self.launcher is not None:
            self.launcher.kill()
            self.launcher.wait()
            self.launcher.stdout.close()
        gone = self.all_gone()
        for pid in self._pids - {self.launcher.pid if self.launcher else 0}:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                if not gone:
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        os.close(self._lifeline)
        assert gone, "the test left a worker that outlived its engine and launcher"

    def _link(self, sock):
        self._links.append(Link(sock))
        return self._links[-1]

    def _pairs(self, count):
        """Return our ends of new sockets, and the other ends."""
        pairs = [socket.socketpair() for _ in range(count)]
        return [self._link(ours) for ours, _ in pairs], [theirs for _, theirs in pairs]

    def _hello(self, link):
        kind, _, _, payload = link.next()
        assert kind == HELLO
        hello = json.loads(payload.decode())
        self._pids.add(hello["pid"])
        return hello


@pytest.fixture(scope="session")
def code(tmp_path_factory):
    """A directory as a launcher runs it."""
    directory = str(tmp_path_factory.mktemp("code"))
    package = os.path.join(REPOSITORY, "eas_processor")
    ignore = shutil.ignore_patterns("__pycache__")
    wire = os.path.join(REPOSITORY, "eas_wire")
    shutil.copytree(wire, os.path.join(directory, "eas_wire"), ignore=ignore)
    os.mkdir(os.path.join(directory, "eas_processor"))
    for name in ("__init__.py", "link", "codecs", "worker", "tf"):
        source, target = os.path.join(package, name), os.path.join(directory, "eas_processor", name)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copyfile(source, target)
    start = os.path.join(package, "worker", "start.py")
    shutil.copyfile(start, os.path.join(directory, "__main__.py"))
    return directory


@pytest.fixture
def engine(code):
    engine = Engine(code)
    yield engine
    engine.end()
