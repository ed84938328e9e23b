"""`dataclass` as in the standard library, made in a quarter of the time.

A scan imports some hundred slotted dataclasses. Up to Python 3.12 the standard library compiles six
functions for each, half a millisecond a class; here one is compiled (`__init__`), for all classes
with as many fields, and the rest are closures over `attrgetter`. Whatever is out of the ordinary
(other options, several bases, special fields) goes to the standard library, and so does everything
from Python 3.13 on, which is fast itself. What is made is a dataclass to `fields`, `replace`,
`is_dataclass`, `pickle`, `copy` and pattern matching. Type checkers see `dataclasses.dataclass`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    from dataclasses import MISSING, Field, FrozenInstanceError
    from functools import cache
    from operator import attrgetter, ge, gt, le, lt
    from types import FunctionType

    def dataclass(cls=None, /, **options):
        """Return `cls` as a dataclass; the options of `dataclasses.dataclass`."""
        if cls is None:
            return lambda cls: dataclass(cls, **options)
        made = _quick(cls, **options) if _is_usual(options) else None
        return dataclasses.dataclass(cls, **options) if made is None else made

    def _is_usual(options):
        return (
            sys.version_info < (3, 13)
            and options.get("slots") is True
            and options.keys() <= {"frozen", "slots", "eq", "repr", "order"}
        )

    #: What a class must not define itself, so that nothing of its own is replaced.
    _MADE = (
        "__slots__", "__init__", "__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__",
        "__getstate__", "__setstate__", "__post_init__", "__match_args__",
    )  # fmt: skip

    def _quick(cls, slots, frozen=False, eq=True, repr=True, order=False):
        """Return the dataclass, or None where the standard library has to make it."""
        own = cls.__dict__
        params = _FROZEN if frozen else _MUTABLE
        inherited = _inherited(cls, params)
        if inherited is None or any(name in own for name in _MADE) or (order and not eq):
            return None
        added = _fields(own, inherited)
        if added is None or not (added or inherited):
            return None
        fields = {**inherited, **added}
        names = tuple(fields)
        body = {k: v for k, v in own.items() if k not in ("__dict__", "__weakref__", *added)}
        made = type(cls.__name__, cls.__bases__, {**body, "__slots__": tuple(added)})
        made.__qualname__ = cls.__qualname__
        values = _values(tuple(name for name in names if fields[name].compare))
        made.__init__ = _init(made, fields, frozen)
        if repr:
            made.__repr__ = _repr_of(tuple(name for name in names if fields[name].repr))
        if eq:
            made.__eq__, made.__hash__ = _equality(values)
            if not frozen:
                made.__hash__ = None
        if order:
            for name, compare in _ORDER:
                setattr(made, name, _comparison(values, compare))
        if frozen:
            made.__setattr__, made.__delattr__ = _refuse_set, _refuse_delete
            made.__getstate__, made.__setstate__ = _get_state, _set_state
        made.__match_args__ = names
        made.__dataclass_fields__ = fields
        made.__dataclass_params__ = params
        return made

    def _inherited(cls, params):
        """Return the fields of the base, None for bases that were not made here or likewise."""
        if cls.__bases__ == (object,):
            return {}
        base = cls.__bases__[0]
        if len(cls.__bases__) > 1 or base.__dict__.get("__dataclass_params__") is not params:
            return None
        return base.__dataclass_fields__

    def _equality(values):
        def __eq__(self, other):
            if other.__class__ is self.__class__:
                return values(self) == values(other)
            return NotImplemented

        def __hash__(self):
            return hash(values(self))

        return __eq__, __hash__

    def _repr_of(names):
        def __repr__(self):
            shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
            return f"{self.__class__.__qualname__}({shown})"

        return __repr__

    _ORDER = (("__lt__", lt), ("__le__", le), ("__gt__", gt), ("__ge__", ge))

    def _comparison(values, compare):
        def compared(self, other):
            if other.__class__ is self.__class__:
                return compare(values(self), values(other))
            return NotImplemented

        return compared

    def _fields(own, inherited):
        """Return the fields that a class adds, or None for one with a field that is special."""
        fields = {}
        optional = any(not _is_required(field) for field in inherited.values())
        for name, annotation in own.get("__annotations__", {}).items():
            if (
                name in inherited
                or not isinstance(annotation, str)
                or annotation.startswith(
                    ("ClassVar", "typing.", "InitVar", "dataclasses.", "KW_ONLY")
                )
            ):
                return None
            default = own.get(name, MISSING)
            field = default if isinstance(default, Field) else dataclasses.field(default=default)
            required = _is_required(field)
            if (
                not field.init
                or field.hash is not None
                or field.kw_only is True
                or (required and optional)
                or field.default.__class__.__hash__ is None
            ):
                return None
            optional = not required
            field.name, field.type, field.kw_only = name, annotation, False
            field._field_type = dataclasses._FIELD
            fields[name] = field
        return fields

    def _is_required(field):
        return field.default is MISSING and field.default_factory is MISSING

    def _values(names):
        """Return what gives the values that are compared."""
        if len(names) > 1:
            return attrgetter(*names)
        if not names:
            return lambda _: ()
        get = attrgetter(*names)
        return lambda self: (get(self),)

    def _init(made, fields, frozen):
        """Return `__init__`: the code of the first class with as many fields, under other names."""
        scope, names, defaults = {}, {}, []
        by_call = frozen or any(f.default_factory is not MISSING for f in fields.values())
        for number, (name, field) in enumerate(fields.items()):
            names[f"_{number}"] = name
            set_value = getattr(made, name).__set__
            if field.default_factory is not MISSING:
                set_value = _setter(set_value, field.default_factory)
                defaults.append(_FACTORY)
            elif field.default is not MISSING:
                defaults.append(field.default)
            scope[f"_set{number}"] = set_value
        code = _code(len(names), by_call)
        code = code.replace(
            co_varnames=tuple(names.get(name, name) for name in code.co_varnames),
            co_names=tuple(names.get(name, name) for name in code.co_names),
            co_qualname=f"{made.__qualname__}.__init__",
        )
        init = FunctionType(code, scope, "__init__", tuple(defaults))
        init.__module__ = made.__module__
        return init

    def _setter(set_value, make):
        def set_or_make(self, value):
            set_value(self, make() if value is _FACTORY else value)

        return set_or_make

    @cache
    def _code(count, by_call):
        """Compile what sets so many fields, called _0, _1 ..., by calling _set0 ... or not."""
        each = "_set{0}(self, _{0})" if by_call else "self._{0} = _{0}"
        parameters = ", ".join(["self", *(f"_{number}" for number in range(count))])
        body = "\n ".join(map(each.format, range(count)))
        scope = {}
        exec(f"def __init__({parameters}):\n {body}", scope)
        return scope["__init__"].__code__

    class _Factory:
        def __repr__(self):
            return "<factory>"

    _FACTORY = _Factory()

    def _params(frozen):
        make = dataclasses.dataclass(init=False, repr=False, eq=False, frozen=frozen)
        return make(type("_Model", (), {"__doc__": "A model."})).__dataclass_params__

    #: What classes that are made here are known by.
    _FROZEN, _MUTABLE = _params(True), _params(False)

    def _refuse_set(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _get_state(self):
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def _set_state(self, state):
        for name, value in zip(self.__dataclass_fields__, state, strict=True):
            object.__setattr__(self, name, value)
