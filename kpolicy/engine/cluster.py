"""The local phase on a Dask cluster: shards of files as tasks, results merged in order.

The bytes of the files travel with their shard, so that no file system need be shared; rows come
back (keys, and what the joins read of an object), and the join phase runs here, as it does after
worker processes. Of much input, the workers first settle what they can (see `cluster_shuffle`). A
shard whose worker dies is run again on another one, by Dask.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kpolicy import __version__
from kpolicy.engine.local import Settings, local_phase
from kpolicy.engine.phases import Work
from kpolicy.engine.plan import Plan
from kpolicy.engine.tally import Tally
from kpolicy.engine.workers import Recipe, Shard, plain, shards_of
from kpolicy.errors import Problem, UsageError
from kpolicy.manifests.model import Invalid, ManifestFile

if TYPE_CHECKING:
    from distributed import Client

#: Files of about so many bytes make a task: some tenths of a second, against some milliseconds that
#: Dask needs for each.
_SHARD_BYTES = 500_000
#: From so many bytes of files on the workers join too; fewer are joined here in less time than the
#: mail between workers takes.
_SHUFFLED_BYTES = 50_000_000
#: Seconds to wait for the scheduler.
_PATIENCE = 10


class _Unlike(Exception):
    """A worker that does not have what this process has."""


def cluster_phase(work: Work) -> Tally:
    """Run the local phase on the cluster that the request names; bodies are not kept.

    Raises `UsageError` where there is no scheduler at the address, no worker, or one with another
    kpolicy, other plugins or other policies.
    """
    with connected(work.request.cluster) as client:
        return _run(client, work)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Give a client of the cluster at an address, whose workers are as this process is.

    Raises `UsageError` as `cluster_phase` does.
    """
    client_class = _client()
    try:
        client = client_class(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error) or type(error).__name__
        hint = "as in tcp://HOST:8786; `dask scheduler` says the address when it starts"
        raise UsageError(
            Problem(f"--cluster: no Dask scheduler at {address}: {reason}", None, hint)
        ) from None
    try:
        _check_workers(client, address)
        yield client
    finally:
        client.close()


def _client() -> Any:
    try:
        from distributed import Client
    except ImportError:
        hint = "install it here and on the workers: pip install 'kpolicy[dask]'"
        raise UsageError(Problem("--cluster needs Dask", None, hint)) from None
    return Client


def _check_workers(client: Client, address: str) -> None:
    """Raise `UsageError` where there is no worker, or one that would decide otherwise."""
    mine = versions()
    found: dict[str, Any] = client.run(versions)
    if not found:
        hint = "start one with `dask worker ADDRESS`"
        raise UsageError(Problem(f"--cluster: {address} has no workers", None, hint))
    for worker, theirs in found.items():
        for name in sorted({*mine, *theirs}):
            if mine.get(name) != theirs.get(name):
                message = (
                    f"--cluster: worker {worker} has {name} {theirs.get(name, 'not installed')}, "
                    f"but here it is {mine.get(name, 'not installed')}"
                )
                raise UsageError(Problem(message, None, "install the same versions everywhere"))


def versions() -> dict[str, str]:
    """Return what must be alike here and on the workers."""
    from importlib.metadata import entry_points

    found = {"kpolicy": __version__, "Python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    for entry in entry_points(group="kpolicy"):
        dist = entry.dist
        found[f"plugin {entry.name}"] = dist.version if dist is not None else ""
    return found


def _run(client: Client, work: Work) -> Tally:
    toolbox, request = work.toolbox, work.request
    if toolbox.factory is None:
        raise UsageError(Problem("--cluster: plugins that live in this process cannot travel"))
    # Paths mean the same on a worker only where they are absolute.
    bare = replace(
        request,
        progress=None,
        config=None,
        policy_paths=tuple(os.path.abspath(path) for path in request.policy_paths),  # noqa: PTH100
    )
    root = os.path.abspath(work.config.root) if work.config.root else ""  # noqa: PTH100
    recipe = Recipe(toolbox.factory, plain(bare), plain(replace(work.config, root=root)))
    parcel = pickle.dumps((recipe, plain(work.settings), _ids(work.plan)), -1)
    files = work.discovery.files
    count = max(1, sum(file.size for file in files) // _SHARD_BYTES)
    shards = shards_of(files, count)
    shared = shared_among(client, parcel)
    futures = [
        client.submit(evaluate_shard, shared, tuple(_with_bytes(shard, work)), pure=False)
        for shard in shards
    ]
    if _is_shuffled(work):
        from kpolicy.engine.cluster_shuffle import shuffled

        return shuffled(client, work, shared, futures)
    whole = Tally()
    for tally in gathered(client, futures, work, "scanning"):
        whole.add(tally)
    return whole


def shared_among(client: Client, parcel: bytes) -> Any:
    """Return the future of what all tasks are given.

    It is a task, not scattered data: Dask drops copies, and of what was lost with a worker it works
    out again only what tasks yield.
    """
    return client.submit(bytes, parcel, pure=False)


def _is_shuffled(work: Work) -> bool:
    """Return whether the workers join too: much input, and nobody asks for what passed."""
    size = sum(file.size for file in work.discovery.files)
    return work.plan.joins and not work.settings.everything and size >= _SHUFFLED_BYTES


def gathered(client: Client, futures: Sequence[Any], work: Work, stage: str = "") -> list[Any]:
    """Return what the tasks yielded, unpickled, in their order; progress is told of a `stage`.

    Raises `UsageError` where a worker has other policies, and where the cluster gave up.
    """
    from distributed import CancelledError, KilledWorker, as_completed

    numbers = {future: number for number, future in enumerate(futures)}
    done: dict[int, Any] = {}
    total = len(work.discovery.files)
    try:
        for future in as_completed(futures, loop=client.loop):
            try:
                done[numbers[future]] = pickle.loads(future.result())
            except _Unlike as error:
                hint = "-p and the configuration must name files that the workers can read"
                raise UsageError(Problem(f"--cluster: {error}", None, hint)) from None
            except (CancelledError, KilledWorker) as error:
                hint = "the logs of the scheduler and of the workers say why; or scan without it"
                message = f"--cluster: {work.request.cluster} gave up: {error}"
                raise UsageError(Problem(message, None, hint)) from None
            if work.request.progress is not None and stage:
                work.request.progress(stage, total * len(done) // len(futures), total)
    except BaseException:
        client.cancel(list(futures))
        raise
    return [done[number] for number in sorted(done)]


def _with_bytes(shard: Shard, work: Work) -> Iterator[ManifestFile]:
    """Yield the files of a shard with their bytes; one that cannot be read goes as it is."""
    from kpolicy.manifests.loader import read_bytes

    for file in shard.files:
        data = read_bytes(file, work.request.limits)
        yield file if isinstance(data, Invalid) else replace(file, data=data)


def _ids(plan: Plan) -> tuple[str, ...]:
    return tuple(unit.compiled.id for unit in plan.units)


@lru_cache(maxsize=1)
def plan_of(parcel: bytes) -> tuple[Plan, Settings]:
    """Return the plan and the settings, made once in a worker for all shards of a scan."""
    recipe, settings, ids = pickle.loads(parcel)
    plan = recipe.plan()
    if _ids(plan) != ids:
        raise _Unlike("a worker does not have the same policies")
    return plan, settings


def evaluate_shard(parcel: bytes, files: Sequence[ManifestFile]) -> bytes:
    """What a worker does: the local phase on a shard. Returns the tally, pickled."""
    plan, settings = plan_of(parcel)
    return pickle.dumps(local_phase(plan, settings, files, keep_bodies=False), -1)
