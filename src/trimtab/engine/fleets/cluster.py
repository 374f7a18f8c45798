"""How many workers there are, what each of them gets, and where."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from trimtab.errors import MissingDependencyError, UsageError
from trimtab.fields import Count, check_fields

_joined: str | None = None
"""The address that this process joined a cluster by, if it did."""
PATIENCE = 5.0
"""Seconds that workers which were just closed may take to let go of their cores."""


@dataclass(frozen=True)
class Cluster:
    """Workers to spread work over.

    Attributes:
        workers: How many.
        gpus_per_worker: GPUs of each; a share below 1 puts several workers on one. Left out, 1 where the cluster has
            any, and else 0.
        cpus_per_worker: Cores of each, which are also the threads that torch computes with: another number may change
            the last bit of a result.
        address: Where a Ray cluster is, such as ``ray://head:10001`` or ``auto``; left out, the one that this process
            is in already, or else this machine.
    """

    workers: Count = 1
    gpus_per_worker: float | None = None
    cpus_per_worker: Count = 1
    address: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.gpus_per_worker is not None and self.gpus_per_worker < 0:
            raise UsageError(
                f"`gpus_per_worker` of Cluster must be at least 0; got {self.gpus_per_worker}; give 0 for workers that "
                "compute on CPUs."
            )

    def resources(self) -> dict[str, Any]:
        """Join the cluster, or start one on this machine, and return what Ray is asked for each worker.

        Raises:
            MissingDependencyError: Ray is not installed.
            UsageError: There is no cluster at the address, this process is in another one, or this machine has not so
                many cores or GPUs.
        """
        ray = the_ray()
        if not ray.is_initialized():
            self._join(ray)
        elif self.address not in (None, _joined):
            raise UsageError(
                "`address` of Cluster must be that of the Ray that this process is in already "
                f"({_joined or 'one of its own'}); got {self.address!r}; call ray.shutdown() first, or leave it out."
            )
        gpus = self.gpus_per_worker
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU", 0) else 0.0
        if self.address is None:  # a cluster elsewhere may grow, or be shared
            self._check_room(ray, gpus)
        return {"num_cpus": self.cpus_per_worker, "num_gpus": gpus}

    def _check_room(self, ray: Any, gpus: float) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            free: dict[str, float] = ray.available_resources()
            try:
                self._check("cpus_per_worker", self.cpus_per_worker, free.get("CPU", 0), "cores")
                self._check("gpus_per_worker", gpus, free.get("GPU", 0), "GPUs")
            except UsageError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
            else:
                return

    def _join(self, ray: Any) -> None:
        global _joined
        _joined = None
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.address is None:
            ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
            return
        try:
            ray.init(address=self.address, **quiet)
            _joined = self.address
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"`address` of Cluster must be that of a Ray cluster; got {self.address!r} ({reason}); start one with "
                "`ray start --head`, or leave the address out to use this machine."
            ) from error

    def _check(self, name: str, each: float, free: float, what: str) -> None:
        if each * self.workers > free:
            raise UsageError(
                f"`workers` of Cluster must be at most {int(free / each)} where each has `{name}`={each:g} and this "
                f"machine has {free:g} {what} free; got {self.workers}; give fewer, or the address of a cluster."
            )


def the_ray() -> Any:
    """Return the module ``ray``, which is imported where it is used: it is an extra.

    Raises:
        MissingDependencyError: It is not installed.
    """
    if find_spec("ray") is None:
        raise MissingDependencyError("ray is needed and not installed; run: pip install 'trimtab[ray]'.")
    return import_module("ray")
