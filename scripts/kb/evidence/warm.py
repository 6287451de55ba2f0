"""Warm starts: Jupyter kernels forked from a parent that has imported torch, as a provisioner of jupyter_client.

nbclient's timeouts, interrupts and errors work as ever: to them the forked process is a process. Where fork is missing,
or the parent refuses, a kernel is started cold.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Unicode

from kb.evidence import forkserver

NAME = "kb-warm"
"""The provisioner's entry point, in pyproject.toml."""
INLINE = "module://matplotlib_inline.backend_inline"


class NoWarmStart(RuntimeError):
    """The parent refuses, or is gone: start cold."""


class Parent:
    """A running parent process, and the socket it listens on. Ends when closed, or when this process ends."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kb-")
        self.socket = f"{self._folder.name}/parent"
        command = [sys.executable, forkserver.__file__, self.socket]
        self._process = subprocess.Popen(
            command, env={**env, "MPLBACKEND": INLINE}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def is_ready(self) -> bool:
        """Wait for the imports; False if the parent could not start."""
        assert self._process.stdout
        return self._process.stdout.readline().strip() == forkserver.READY

    def close(self) -> None:
        """End the parent and every child of it."""
        assert self._process.stdin
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


def can_fork() -> bool:
    """Whether this system can fork a process that has imported torch: Linux, where its threads can be counted."""
    return sys.platform == "linux" and hasattr(os, "fork") and Path("/proc/self/task").is_dir()


class Specs(KernelSpecManager):  # type: ignore[misc]
    """One kernelspec: warm, from the parent at a socket."""

    socket = Unicode()

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        provisioner = {"provisioner_name": NAME, "config": {"socket": self.socket}}
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
            metadata={"kernel_provisioner": provisioner},
        )


class Forked:
    """A forked process, as much of a `subprocess.Popen` as a provisioner needs."""

    stdin = stdout = stderr = None

    def __init__(self, parent: str, request: Mapping[str, Any]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(parent)
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            raise NoWarmStart("the parent is gone") from None
        answer = self._said()
        if answer is None or "pid" not in answer:
            self._socket.close()
            raise NoWarmStart((answer or {}).get("refused", "the parent is gone"))
        self.pid: int = answer["pid"]
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, if it has ended."""
        if self.returncode is None and select.select([self._socket], [], [], 0)[0]:
            self.returncode = self._status()
        return self.returncode

    def wait(self) -> int:
        """The exit status, when it has ended."""
        if self.returncode is None:
            self.returncode = self._status()
        self._socket.close()
        return self.returncode

    def _status(self) -> int:
        answer = self._said()
        return int(answer["exit"]) if answer else -signal.SIGKILL

    def _said(self) -> dict[str, Any] | None:
        """The next line from the parent; None if it is gone."""
        line = b""
        while not line.endswith(b"\n"):
            more = self._socket.recv(4096)
            if not more:
                return None
            line += more
        said: dict[str, Any] = json.loads(line)
        return said

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class ForkProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts a Jupyter kernel by asking a parent to fork."""

    socket = Unicode().tag(config=True)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        env = {name: value for name, value in kwargs["env"].items() if isinstance(value, str)}
        request = {
            "connection_file": cmd[-1],
            "cwd": kwargs.get("cwd") or os.getcwd(),
            "env": env | {"MPLBACKEND": INLINE},
        }
        self.process = Forked(self.socket, request)
        self.pid = self.pgid = self.process.pid
        return self.connection_info
