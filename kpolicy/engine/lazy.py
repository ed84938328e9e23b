"""Bodies that stay away: a resource is known by its key, and its file is read again when needed.

Worker processes evaluate what needs one resource alone; what they send back is small. The join
phase looks into few bodies, and those come from the files, once more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kpolicy.frozen import FrozenDict, _set_dict_mark
from kpolicy.manifests.model import Limits, LoadedFile, ManifestFile
from kpolicy.snapshot.resource import in_namespace

Fetch = Callable[[], Mapping[str, Any]]

#: Files whose bodies are kept, so that the resources of one file are read together.
_KEPT_FILES = 16


class LazyBody(FrozenDict):
    """A `FrozenDict` that reads its content at the first look, and is an ordinary one from then on.

    Until then the slot of the mark holds (mark, fetch), since the layout must be the parent's.
    """

    __slots__ = ()

    @classmethod
    def of(cls, mark: int, fetch: Fetch) -> LazyBody:
        """Return a body whose content `fetch` gives; `mark` is known without it."""
        self: LazyBody = FrozenDict.__new__(cls)
        _set_dict_mark(self, (mark, fetch))
        return self

    @property
    def mark(self) -> int:
        """The packed position; known before the content is."""
        pair: Any = self._mark
        return int(pair[0])

    @property
    def line(self) -> int:
        """The line where the mapping begins."""
        return self.mark >> 24

    @property
    def column(self) -> int:
        """The column where the mapping begins."""
        return self.mark & 0xFFFFFF

    def __getitem__(self, key: str) -> Any:
        return _filled(self)[key]

    def __contains__(self, key: object) -> bool:
        return key in _filled(self)

    def __iter__(self) -> Iterator[str]:
        return iter(_filled(self))

    def __len__(self) -> int:
        return len(_filled(self))

    def __reversed__(self) -> Iterator[str]:
        return reversed(_filled(self))

    def __eq__(self, other: object) -> bool:
        return _filled(self) == other

    def __ne__(self, other: object) -> bool:
        return _filled(self) != other

    __hash__ = None  # type: ignore[assignment]

    def __or__(self, other: Any) -> Any:
        return _filled(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | _filled(self)

    def __repr__(self) -> str:
        return repr(_filled(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _filled(self).__reduce__()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`."""
        return _filled(self).get(key, default)

    def keys(self) -> Any:
        """Return the keys."""
        return _filled(self).keys()

    def values(self) -> Any:
        """Return the values."""
        return _filled(self).values()

    def items(self) -> Any:
        """Return the entries."""
        return _filled(self).items()


def _filled(body: FrozenDict) -> FrozenDict:
    """Fill a lazy body in place and make it an ordinary one: the object stays the same."""
    if body.__class__ is LazyBody:
        pair: Any = body._mark
        mark, fetch = pair
        content = fetch()
        _set_dict_mark(body, mark)
        # Not body.__class__ = ...: a frozen body refuses to have its attributes set.
        object.__setattr__(body, "__class__", FrozenDict)
        dict.update(body, content)
    return body


class Library:
    """Reads bodies from files again; keeps the last few files."""

    def __init__(self, files: Mapping[str, ManifestFile], limits: Limits) -> None:
        self._files = files
        self._limits = limits
        self._kept: OrderedDict[str, dict[tuple[int, str], FrozenDict]] = OrderedDict()

    def body(
        self, path: str, document: int, pointer: str, namespace: str = ""
    ) -> FrozenDict | None:
        """Return the body of one object, None where the file has changed and it is gone.

        `namespace` is the one that the object is known to be in, be it written there or not.
        """
        found = self._bodies(path).get((document, pointer))
        if found is None:
            return None
        metadata = found.get("metadata")
        if namespace and isinstance(metadata, dict) and not metadata.get("namespace"):
            return in_namespace(found, namespace)
        return found

    def _bodies(self, path: str) -> dict[tuple[int, str], FrozenDict]:
        kept = self._kept.get(path)
        if kept is None:
            from kpolicy.manifests import load

            file = self._files.get(path)
            loaded = LoadedFile(path) if file is None else load(file, self._limits)
            kept = self._kept[path] = {(d.index, d.pointer): d.body for d in loaded.documents}
            if len(self._kept) > _KEPT_FILES:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(path)
        return kept
