"""The parent of warm Jupyter kernels: imports torch and friends once, never computes, and forks a child for each notebook.

Run as a script, `python forkserver.py SOCKET`, so that nothing of the project is loaded in the parent, and in the
environment that the notebooks are to have. A client connects,
sends one line of JSON (connection file, folder, environment), and is told the child's pid; when the child ends it is
told the status; when the client goes away, the child is killed.

A child that was forked after a parallel torch operation hangs for ever (libgomp's threads do not survive a fork), and
CUDA does not survive one at all. So the parent only imports, and before each fork it makes sure that no thread has
appeared since.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any

PRELOADED = ("numpy", "torch", "triton", "triton.language", "matplotlib.pyplot")
"""Third-party modules only: the project's own are imported in the child, so that edits are seen. And not matplotlib's
inline backend, which looks for its shell when it is imported."""
JUPYTERS = (
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "psutil",
    "tornado.platform.asyncio",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "matplotlib.backends.backend_svg",
)
"""What a Jupyter kernel imports when it starts, in whatever version of it has them."""
READY = "ready"
HERE = os.path.dirname(os.path.abspath(__file__))


class Parent:
    """A listening socket and the children that came of it."""

    def __init__(self, path: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.listener.setblocking(False)
        self.children: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, "new")
        self.wakeup, wakes = os.pipe()
        os.set_blocking(wakes, False)
        os.set_blocking(self.wakeup, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.wakeup, selectors.EVENT_READ, "ended")
        self.selector.register(sys.stdin, selectors.EVENT_READ, "stop")  # closed when the runner ends, however it ends
        self.threads = threads()

    def serve(self) -> None:
        """Answer until the runner goes away; then no child is left."""
        while True:
            for key, _ in self.selector.select():
                match key.data:
                    case "new":
                        self.accept()
                    case "ended":
                        os.read(self.wakeup, 4096)
                        self.reap()
                    case "stop":
                        if not os.read(sys.stdin.fileno(), 4096):
                            for pid in list(self.children):
                                self.end(pid)
                            return
                    case pid:
                        self.gone(pid)

    def accept(self) -> None:
        """Fork a child for a client."""
        client, _ = self.listener.accept()
        client.setblocking(True)
        request = json.loads(client.makefile("r").readline())
        if threads() != self.threads:
            client.sendall(b'{"refused": "a thread has appeared in the parent: it computed"}\n')
            client.close()
            return
        pid = os.fork()
        if pid == 0:
            self.become_kernel(client, request)
        self.children[pid] = client
        self.selector.register(client, selectors.EVENT_READ, pid)
        client.sendall(json.dumps({"pid": pid}).encode() + b"\n")

    def become_kernel(self, client: socket.socket, request: dict[str, Any]) -> None:
        """In the child: let go of everything of the parent's, and be a Jupyter kernel until it ends."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            for held in (self.listener, client, *self.children.values()):
                held.close()
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            launch(request)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    def reap(self) -> None:
        """Tell the clients of children that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if client := self.children.pop(pid, None):
                self.selector.unregister(client)
                with suppress(OSError):  # it may no longer care
                    client.sendall(json.dumps({"exit": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
                client.close()

    def gone(self, pid: int) -> None:
        """A client closed its end, or was killed: its child goes too."""
        client = self.children[pid]
        if not client.recv(1):
            self.selector.unregister(client)
            client.close()
            del self.children[pid]
            self.end(pid)

    def end(self, pid: int) -> None:
        """Kill a child and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def launch(request: dict[str, Any]) -> None:
    """Be the Jupyter kernel that the request asks for."""
    from ipykernel.kernelapp import IPKernelApp

    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    os.environ.pop("JPY_PARENT_PID", None)  # ipykernel would compare it with this parent's pid, and end
    sys.argv = ["ipykernel_launcher", "-f", request["connection_file"]]
    sys.path[:] = [request["cwd"], *(path for path in sys.path if path != HERE)]
    if "numpy" in sys.modules:  # otherwise all children would draw the same numbers
        sys.modules["numpy"].random.seed(int.from_bytes(os.urandom(4), "little"))
    IPKernelApp.launch_instance(["-f", request["connection_file"], "--HistoryManager.enabled=False"])


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))


def preload() -> None:
    """Import what is there of the heavy modules; nothing is computed."""
    for name in PRELOADED:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    for name in JUPYTERS:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that a child's collector does not touch, and so copy, every page


if __name__ == "__main__":
    preload()
    parent = Parent(sys.argv[1])
    print(READY, flush=True)
    parent.serve()
