"""`dataclass` as in the standard library, made in a quarter of the time.

A scan imports some hundred frozen, slotted dataclasses. Up to Python 3.12 the standard library
compiles six functions for each, half a millisecond a class; here one is compiled (`__init__`) and
the rest are closures over `attrgetter`. Whatever is out of the ordinary (other options,
inheritance, special fields) goes to the standard library, and so does everything from Python 3.13
on, which is fast itself. What is made is a dataclass to `fields`, `replace`, `is_dataclass`,
`pickle`, `copy` and pattern matching. Type checkers see `dataclasses.dataclass`.
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
    from operator import attrgetter

    def dataclass(cls=None, /, **options):
        """Return `cls` as a dataclass; the options of `dataclasses.dataclass`."""
        if cls is None:
            return lambda cls: dataclass(cls, **options)
        made = _quick(cls, options.get("eq", True)) if _is_usual(options) else None
        return dataclasses.dataclass(cls, **options) if made is None else made

    def _is_usual(options):
        return (
            sys.version_info < (3, 13)
            and options.get("frozen") is True
            and options.get("slots") is True
            and options.keys() <= {"frozen", "slots", "eq"}
        )

    #: What a class must not define itself, so that nothing of its own is replaced.
    _MADE = (
        "__slots__", "__init__", "__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__",
        "__getstate__", "__setstate__", "__post_init__", "__match_args__",
    )  # fmt: skip

    def _quick(cls, eq):
        """Return the dataclass, or None where the standard library has to make it."""
        own = cls.__dict__
        if cls.__bases__ != (object,) or any(name in own for name in _MADE):
            return None
        fields = _fields(own)
        if not fields:
            return None
        names = tuple(fields)
        body = {k: v for k, v in own.items() if k not in ("__dict__", "__weakref__", *names)}
        made = type(cls.__name__, (), {**body, "__slots__": names})
        made.__qualname__ = cls.__qualname__
        values = attrgetter(*names) if len(names) > 1 else _single(names[0])

        def __eq__(self, other):
            if other.__class__ is self.__class__:
                return values(self) == values(other)
            return NotImplemented

        def __hash__(self):
            return hash(values(self))

        def __repr__(self):
            shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
            return f"{self.__class__.__qualname__}({shown})"

        made.__init__ = _init(made, fields)
        if eq:
            made.__eq__, made.__hash__ = __eq__, __hash__
        made.__repr__ = __repr__
        made.__setattr__, made.__delattr__ = _refuse_set, _refuse_delete
        made.__getstate__, made.__setstate__ = _get_state, _set_state
        made.__match_args__ = names
        made.__dataclass_fields__ = fields
        made.__dataclass_params__ = _PARAMS
        return made

    def _fields(own):
        """Return the fields of a class by name, or None for one with a field that is special."""
        fields = {}
        optional = False
        for name, annotation in own.get("__annotations__", {}).items():
            if not isinstance(annotation, str) or annotation.startswith(
                ("ClassVar", "typing.", "InitVar", "dataclasses.", "KW_ONLY")
            ):
                return None
            default = own.get(name, MISSING)
            field = default if isinstance(default, Field) else dataclasses.field(default=default)
            plain = field.init and field.repr and field.compare and field.hash is None
            required = field.default is MISSING and field.default_factory is MISSING
            if (
                not plain
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

    def _single(name):
        get = attrgetter(name)
        return lambda self: (get(self),)

    def _init(made, fields):
        """Compile `__init__`: names come from the class, values only by reference."""
        scope = {"_factory": _FACTORY}
        parameters, lines = ["self"], []
        for number, (name, field) in enumerate(fields.items()):
            scope[f"_set{number}"] = made.__dict__[name].__set__
            value = name
            if field.default_factory is not MISSING:
                scope[f"_make{number}"] = field.default_factory
                parameters.append(f"{name}=_factory")
                value = f"_make{number}() if {name} is _factory else {name}"
            elif field.default is not MISSING:
                scope[f"_default{number}"] = field.default
                parameters.append(f"{name}=_default{number}")
            else:
                parameters.append(name)
            lines.append(f" _set{number}(self, {value})")
        exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines), scope)
        init = scope["__init__"]
        init.__qualname__ = f"{made.__qualname__}.__init__"
        init.__module__ = made.__module__
        return init

    class _Factory:
        def __repr__(self):
            return "<factory>"

    _FACTORY = _Factory()
    _PARAMS = dataclasses.dataclass(frozen=True)(type("_Model", (), {})).__dataclass_params__

    def _refuse_set(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _get_state(self):
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def _set_state(self, state):
        for name, value in zip(self.__dataclass_fields__, state, strict=True):
            object.__setattr__(self, name, value)
