"""What has changed since the results were kept: file by file, trusting what `stats` can tell."""

from __future__ import annotations

from collections.abc import Sequence

from kpolicy.engine.cached.state import Extra, State, join, split
from kpolicy.engine.cached.stats import WIDTH, Stats, is_young, stats_found, young
from kpolicy.engine.tally import content_of
from kpolicy.manifests.loader import read_bytes
from kpolicy.manifests.model import Discovery, Limits, ManifestFile
from kpolicy.records import dataclass

#: Stands for the digest of what could not be read.
NO_DIGEST = bytes(16)


@dataclass(frozen=True, slots=True)
class Columns:
    """The files of a discovery as the columns of `Head` have them."""

    found: Discovery
    paths: bytes
    filenames: bytes
    scopes: bytes
    stats: Stats
    extras: tuple[Extra, ...]
    """What is not loaded, and yet tells what it might define."""

    @property
    def files(self) -> Sequence[ManifestFile]:
        """The files, in the order of the columns."""
        return self.found.files


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the kept results."""

    origins: Sequence[int]
    """For each file, its kept position, or -1 where its results have to be made."""
    removed: Sequence[int]
    """Kept positions that no file has any more, or that are made anew."""
    world: bool
    """Whether files that are not loaded have changed."""
    read: int
    """How many files were read to know."""

    @property
    def any(self) -> bool:
        """Whether anything has to be evaluated."""
        return bool(self.removed) or self.world or -1 in self.origins


def columns_of(found: Discovery, limits: Limits) -> Columns | None:
    """Return the columns of a discovery, None where two files are shown alike."""
    files = found.files
    paths = [file.path for file in files]
    if len(set(paths)) != len(paths):
        return None
    names = ["" if file.data is not None else file.filename for file in files]
    stats = stats_found(found, names)
    return Columns(
        found, join(paths), join(names), join(map(_room, files)), stats,
        _extras_of(found, limits),
    )  # fmt: skip


def _room(file: ManifestFile) -> str:
    """Return what of a file, besides its content, its resources are related by."""
    return f"{file.scope}\t{file.namespace}" if file.namespace else file.scope


def _extras_of(found: Discovery, limits: Limits) -> tuple[Extra, ...]:
    """Return what is known of the files that are not loaded and yet tell what they might define."""
    paths = [invalid.location.path for invalid in found.invalid]
    paths += [skipped.path for skipped in found.skipped if skipped.reason == "helm-template"]
    return tuple(Extra(path, _digest(ManifestFile(path, path), limits)) for path in paths)


def _digest(file: ManifestFile, limits: Limits) -> bytes:
    data = read_bytes(file, limits)
    return content_of(data) if isinstance(data, bytes) else NO_DIGEST


def compare(state: State, now: Columns, limits: Limits) -> Changes:
    """Return what has changed; a file is read where its numbers do not tell."""
    head = state.head
    count = len(head.commented)
    world = head.extras != now.extras
    same = (head.paths, head.filenames, head.scopes) == (now.paths, now.filenames, now.scopes)
    if same and head.stats == now.stats.numbers.tobytes():
        suspects: Sequence[int] = young(now.stats.numbers, head.taken)
        if not suspects:
            return Changes(range(count), (), world, 0)
    elif same:
        suspects = range(count)
    else:
        return _matched(state, now, limits, world)
    origins = list(range(count))
    read = _verify(state, now, limits, suspects, origins)
    return Changes(origins, [n for n, o in enumerate(origins) if o < 0], world, read)


def compare_named(state: State, now: Columns, limits: Limits, positions: Sequence[int]) -> Changes:
    """Return what has changed where it can only be these files: they are read, whatever they tell.

    The state is one of these very files in this order.
    """
    origins = list(range(len(now.files)))
    for position in positions:
        digest = _digest(now.files[position], limits)
        if digest == NO_DIGEST or digest != state.head.digests[position * 16 : position * 16 + 16]:
            origins[position] = -1
    return Changes(origins, [n for n in positions if origins[n] < 0], False, len(positions))


def _matched(state: State, now: Columns, limits: Limits, world: bool) -> Changes:
    """Compare with files that came, went, or changed places."""
    head = state.head
    kept = zip(split(head.paths), split(head.filenames), split(head.scopes), strict=True)
    places = {each: position for position, each in enumerate(kept)}
    here = zip(split(now.paths), split(now.filenames), split(now.scopes), strict=True)
    origins = [places.get(each, -1) for each in here] if now.files else []
    suspects = [n for n, origin in enumerate(origins) if origin >= 0]
    read = _verify(state, now, limits, suspects, origins)
    stayed = set(origins)
    removed = [p for p in range(len(places)) if p not in stayed]
    return Changes(origins, removed, world, read)


def _verify(
    state: State,
    now: Columns,
    limits: Limits,
    suspects: Sequence[int],
    origins: list[int],
) -> int:
    """Set the origins of those `suspects` to -1 that are other files now; return how many were
    read."""
    head, numbers = state.head, now.stats.numbers
    fresh = numbers.tobytes()
    read = 0
    size = WIDTH * 8
    for position in suspects:
        at, kept = position * size, origins[position] * size
        if fresh[at : at + size] == head.stats[kept : kept + size] and not is_young(
            numbers[position * WIDTH : position * WIDTH + WIDTH], head.taken
        ):
            continue
        read += 1
        digest = _digest(now.files[position], limits)
        origin = origins[position] * 16
        if digest == NO_DIGEST or digest != head.digests[origin : origin + 16]:
            origins[position] = -1
    return read
