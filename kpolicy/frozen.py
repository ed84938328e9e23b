"""Immutable mapping and sequence bodies that carry their source position.

The YAML loader builds them and CEL reads them. They subclass `dict` and `list`, so reading costs
what a plain `dict` costs; every public mutator raises `FrozenError`. Calling a base-class method
unbound (`dict.__setitem__(body, ...)`) is outside the contract.

Copies: `copy.copy`, `copy.deepcopy` and `.copy()` return the same object (it is a value); pickling
gives back frozen bodies with their positions; `body | other`, `seq + other` and slices are plain
`dict` and `list`. `thaw` returns a plain, mutable deep copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Self

from kpolicy.errors import FrozenError

#: A position packs line and column (both from 1) into one int; 0 = unknown.
_COLUMN_BITS = 24
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1


def pack_position(line: int, column: int) -> int:
    """Return the packed form of a line and a column, both counted from 1."""
    return line << _COLUMN_BITS | min(column, _COLUMN_MASK)


def unpack_position(mark: int) -> tuple[int, int]:
    """Return (line, column), both counted from 1; (0, 0) if unknown."""
    return mark >> _COLUMN_BITS, mark & _COLUMN_MASK


def _refuse(self: object, *_args: object, **_kwargs: object) -> NoReturn:
    raise FrozenError(f"{type(self).__name__} is immutable; thaw() gives a plain copy")


class FrozenDict(dict[str, Any]):
    """An immutable mapping with its source position (`line`, `column`, from 1; 0 if unknown)."""

    __slots__ = ("_mark",)
    _mark: int

    def __new__(
        cls, items: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), mark: int = 0
    ) -> Self:
        self = dict.__new__(cls)
        dict.update(self, items)
        _set_dict_mark(self, mark)
        return self

    # Not dict.__init__: calling it again on a finished body would update it.
    __init__ = object.__init__

    @property
    def mark(self) -> int:
        """The packed position, see `pack_position`."""
        return self._mark

    @property
    def line(self) -> int:
        """The line where the mapping begins."""
        return self._mark >> _COLUMN_BITS

    @property
    def column(self) -> int:
        """The column where the mapping begins."""
        return self._mark & _COLUMN_MASK

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse
    __setattr__ = __delattr__ = _refuse

    @classmethod
    def fromkeys(cls, keys: Iterable[str], value: Any = None) -> Self:  # type: ignore[override]
        """Return a frozen mapping of `keys`, each with the same value."""
        made: Self = cls((key, value) for key in keys)
        return made

    def copy(self) -> Self:
        """Return the same value."""
        return self

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self), self._mark)


class FrozenList(list[Any]):
    """An immutable sequence with its source position (`line`, `column`, from 1; 0 if unknown)."""

    __slots__ = ("_mark",)
    _mark: int

    def __new__(cls, items: Iterable[Any] = (), mark: int = 0) -> Self:
        self = list.__new__(cls)
        list.extend(self, items)
        _set_list_mark(self, mark)
        return self

    __init__ = object.__init__

    @property
    def mark(self) -> int:
        """The packed position, see `pack_position`."""
        return self._mark

    @property
    def line(self) -> int:
        """The line where the sequence begins."""
        return self._mark >> _COLUMN_BITS

    @property
    def column(self) -> int:
        """The column where the sequence begins."""
        return self._mark & _COLUMN_MASK

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = remove = pop = clear = _refuse
    sort = reverse = _refuse
    __setattr__ = __delattr__ = _refuse

    def copy(self) -> Self:
        """Return the same value."""
        return self

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenList, (list(self), self._mark)


_set_dict_mark = FrozenDict._mark.__set__
_set_list_mark = FrozenList._mark.__set__


def freeze(value: Any, mark: int = 0) -> Any:
    """Return `value` (JSON-shaped Python) with every dict and list frozen, deeply."""
    if isinstance(value, (FrozenDict, FrozenList)):
        return value
    if isinstance(value, Mapping):
        return FrozenDict({k: freeze(v, mark) for k, v in value.items()}, mark)
    if isinstance(value, (list, tuple)):
        return FrozenList([freeze(v, mark) for v in value], mark)
    return value


def thaw(value: Any) -> Any:
    """Return a plain, mutable deep copy of a frozen body."""
    if isinstance(value, dict):
        return {k: thaw(v) for k, v in value.items()}
    if isinstance(value, list):
        return [thaw(v) for v in value]
    return value


def canonical_json(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces; what JSON does not know appears as its `repr`."""
    import json

    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=repr)
    return text.encode("ascii")


def content_digest(value: Any) -> str:
    """Return a digest of a JSON-shaped value: equal content gives equal digests, in any key order.

    Positions play no part; `1`, `1.0`, `true` and `"1"` differ. A `NaN` equals itself here.
    """
    import hashlib

    return hashlib.blake2b(canonical_json(value), digest_size=16).hexdigest()
