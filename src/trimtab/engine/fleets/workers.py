"""Processes that calls are handed to: Ray's actors, which Ray starts again when they die."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

from trimtab.engine.fleets.cluster import Cluster, the_ray
from trimtab.errors import TrimtabError, WorkerLostError

TRIES = 4
"""How often a piece of work is begun before it is given up, if the worker that does it dies each time."""


@dataclass(frozen=True)
class Refused:
    """What a worker returns in place of a result: an error of ours, to be raised where the work was asked for."""

    error: TrimtabError


class Actor:
    """Keeps what ``make`` makes, and calls functions with it.

    It is made at the first call and not when the worker starts, so that an error of it is told like any other; and
    again by a worker that takes a dead one's place.
    """

    def __init__(self, make: Callable[[], Any], threads: int, home: str) -> None:
        import torch

        torch.set_num_threads(threads)
        with suppress(OSError):  # another machine may not have the folder
            os.chdir(home)
        self._make, self._made = make, None

    def do(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> object:
        """Return what a function returns, given what was made and the arguments."""
        try:
            if self._made is None:
                self._made = self._make()
            return function(self._made, *arguments)
        except TrimtabError as error:
            return Refused(error)


class Workers:
    """Some workers. Each call goes to one that is free, and is made again if that one dies.

    Use it as a context manager, or ``close`` it: workers hold a model each.
    """

    def __init__(self, make: Callable[[], Any], cluster: Cluster) -> None:
        """Start them.

        Args:
            make: Makes what functions are called with; of a module, so that it can travel.
            cluster: How many there are, and where.

        Raises:
            MissingDependencyError: Ray is not installed.
            UsageError: The cluster is not there, or has no room.
        """
        resources = cluster.resources()
        self._ray = the_ray()
        lasting = {"max_restarts": -1, "max_task_retries": TRIES - 1}
        actor = self._ray.remote(Actor).options(**resources, **lasting)
        home = str(Path.cwd())
        self._actors = [actor.remote(make, cluster.cpus_per_worker, home) for _ in range(cluster.workers)]

    def __len__(self) -> int:
        return len(self._actors)

    def each(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        needs: Sequence[Iterable[int]] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Call a function with each tuple of arguments, and yield ``(place, result)`` in the order they are finished.

        Args:
            function: What is called; what was made comes first among its arguments.
            calls: The arguments of each call.
            needs: For each call, the places of earlier ones that must be finished before it begins; left out, none.

        Raises:
            TrimtabError: What a call raises.
            WorkerLostError: A call's worker died, however often it was begun.
        """
        waiting = {place: set(() if needs is None else needs[place]) for place in range(len(calls))}
        running: dict[Any, tuple[int, Any]] = {}
        idle, finished = deque(self._actors), set[int]()
        while waiting or running:
            ready = (place for place, needed in waiting.items() if needed <= finished)
            for place in [*islice(ready, len(idle))]:
                del waiting[place]
                actor = idle.popleft()
                running[actor.do.remote(function, calls[place])] = place, actor
            (done,), _ = self._ray.wait(list(running), num_returns=1)
            place, actor = running.pop(done)
            idle.append(actor)
            finished.add(place)
            yield place, self._result(done)

    def everywhere(self, function: Callable[..., Any], *arguments: object) -> list[Any]:
        """Call a function once on each worker, and return what they return."""
        return [self._result(done) for done in [actor.do.remote(function, arguments) for actor in self._actors]]

    def _result(self, done: Any) -> Any:
        try:
            found = self._ray.get(done)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.OutOfMemoryError) as error:
            reason = " ".join(str(error).split())[-300:]
            raise WorkerLostError(
                f"`workers` must live through a piece of work; {TRIES} died at the same one ({reason}); give each more "
                "memory, such as fewer workers on a machine, or make the pieces smaller."
            ) from error
        if isinstance(found, Refused):
            raise found.error
        return found

    def close(self) -> None:
        """End the workers."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
