"""The same work on a Dask cluster: its client as an executor of `concurrent.futures`.

Dask brings the machines: on Slurm with dask-jobqueue, on Kubernetes with its operator, by SSH with dask-ssh. Workers
need the repository at the same path, and this package; those with a GPU say so: `dask worker … --resources "GPU=1"`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager


@contextmanager
def connected(address: str, device: str, timeout_s: float = 10.0) -> Iterator[Executor]:
    """The executor of a cluster. Raises OSError if nobody answers, LookupError if no worker can do the work.

    A resource that no worker has is waited for without end, so it is looked for first.
    """
    try:
        from distributed import Client
    except ImportError:
        raise LookupError("--dask needs the package distributed: pip install 'receipts[cluster]'") from None
    client = Client(address, timeout=timeout_s, set_as_default=False)
    try:
        workers = client.scheduler_info()["workers"]
        if not workers:
            raise LookupError(f"the cluster at {address} has no workers")
        resources = {"GPU": 1} if device == "cuda" else None
        if resources and not any(worker["resources"].get("GPU") for worker in workers.values()):
            raise LookupError(f'no worker at {address} has a GPU: start some with --resources "GPU=1"')
        with client.get_executor(pure=False, retries=2, resources=resources) as executor:
            yield executor
    finally:
        client.close()
