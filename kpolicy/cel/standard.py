"""Signatures of CEL's operators and standard functions, for the checker.

Names and overload ids are cel-go's (cel-spec doc/langdef.md, "List of Standard Definitions"). What
they compute is the runtime's business, so the overloads here have no implementation to call.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NoReturn

from kpolicy.cel.declarations import Function, Overload
from kpolicy.cel.types import Type, parse_type

#: One overload a line: function, overload id, parameter types, result; a leading dot marks a
#: method.
_SIGNATURES = """
_?_:_ conditional bool,A,A A
_&&_ logical_and bool,bool bool
_||_ logical_or bool,bool bool
!_ logical_not bool bool
_==_ equals A,A bool
_!=_ not_equals A,A bool
_+_ add_int64 int,int int
_+_ add_uint64 uint,uint uint
_+_ add_double double,double double
_+_ add_string string,string string
_+_ add_bytes bytes,bytes bytes
_+_ add_list list(A),list(A) list(A)
_+_ add_timestamp_duration timestamp,duration timestamp
_+_ add_duration_timestamp duration,timestamp timestamp
_+_ add_duration_duration duration,duration duration
_-_ subtract_int64 int,int int
_-_ subtract_uint64 uint,uint uint
_-_ subtract_double double,double double
_-_ subtract_timestamp_timestamp timestamp,timestamp duration
_-_ subtract_timestamp_duration timestamp,duration timestamp
_-_ subtract_duration_duration duration,duration duration
_*_ multiply_int64 int,int int
_*_ multiply_uint64 uint,uint uint
_*_ multiply_double double,double double
_/_ divide_int64 int,int int
_/_ divide_uint64 uint,uint uint
_/_ divide_double double,double double
_%_ modulo_int64 int,int int
_%_ modulo_uint64 uint,uint uint
-_ negate_int64 int int
-_ negate_double double double
_[_] index_list list(A),int A
_[_] index_map map(A,B),A B
_[_] optional_list_index_int optional_type(list(A)),int optional_type(A)
_[_] optional_map_index_value optional_type(map(A,B)),A optional_type(B)
_[?_] list_optindex_optional_int list(A),int optional_type(A)
_[?_] optional_list_optindex_optional_int optional_type(list(A)),int optional_type(A)
_[?_] map_optindex_optional_value map(A,B),A optional_type(B)
_[?_] optional_map_optindex_optional_value optional_type(map(A,B)),A optional_type(B)
@in in_list A,list(A) bool
@in in_map A,map(A,B) bool
size size_string string int
size size_bytes bytes int
size size_list list(A) int
size size_map map(A,B) int
size .string_size string int
size .bytes_size bytes int
size .list_size list(A) int
size .map_size map(A,B) int
type type A type(A)
dyn to_dyn A dyn
bool bool_to_bool bool bool
bool string_to_bool string bool
bytes bytes_to_bytes bytes bytes
bytes string_to_bytes string bytes
double double_to_double double double
double int64_to_double int double
double string_to_double string double
double uint64_to_double uint double
duration duration_to_duration duration duration
duration int64_to_duration int duration
duration string_to_duration string duration
int int64_to_int64 int int
int double_to_int64 double int
int duration_to_int64 duration int
int string_to_int64 string int
int timestamp_to_int64 timestamp int
int uint64_to_int64 uint int
string string_to_string string string
string bool_to_string bool string
string bytes_to_string bytes string
string double_to_string double string
string duration_to_string duration string
string int64_to_string int string
string timestamp_to_string timestamp string
string uint64_to_string uint string
timestamp timestamp_to_timestamp timestamp timestamp
timestamp int64_to_timestamp int timestamp
timestamp string_to_timestamp string timestamp
uint uint64_to_uint64 uint uint
uint double_to_uint64 double uint
uint int64_to_uint64 int uint
uint string_to_uint64 string uint
contains .contains_string string,string bool
endsWith .ends_with_string string,string bool
startsWith .starts_with_string string,string bool
matches matches string,string bool
matches .matches_string string,string bool
"""

_ORDERED = ("bool", "string", "bytes", "timestamp", "duration")
_NUMBERS = ("int", "uint", "double")
_ORDERINGS = {"_<_": "less", "_<=_": "less_equals", "_>_": "greater", "_>=_": "greater_equals"}
_ID_NAMES = {"int": "int64", "uint": "uint64"}
_CALENDAR = {
    "getFullYear": "year", "getMonth": "month", "getDate": "day_of_month_1_based",
    "getDayOfMonth": "day_of_month", "getDayOfWeek": "day_of_week", "getDayOfYear": "day_of_year",
}  # fmt: skip
_CLOCK = {
    "getHours": "hours", "getMinutes": "minutes", "getSeconds": "seconds",
    "getMilliseconds": "milliseconds",
}  # fmt: skip
_SHORT = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}


def _emitted_by_the_compiler(*_: Any) -> NoReturn:
    raise NotImplementedError("standard functions are emitted by the compiler")


def _signatures() -> list[tuple[str, str, list[str], str]]:
    rows = []
    for line in _SIGNATURES.split("\n"):
        if line:
            function, identifier, parameters, result = line.split(" ")
            rows.append((function, identifier, _split(parameters), result))
    for operator, name in _ORDERINGS.items():
        rows += [(operator, f"{name}_{kind}", [kind, kind], "bool") for kind in _ORDERED]
        for left in _NUMBERS:
            for right in _NUMBERS:
                suffix = "" if left == right else f"_{_ID_NAMES.get(right, right)}"
                identifier = f"{name}_{_ID_NAMES.get(left, left)}{suffix}"
                rows.append((operator, identifier, [left, right], "bool"))
    for getter, part in (_CALENDAR | _CLOCK).items():
        rows.append((getter, f".timestamp_to_{part}", ["timestamp"], "int"))
        rows.append((getter, f".timestamp_to_{part}_with_tz", ["timestamp", "string"], "int"))
    for getter, part in _CLOCK.items():
        rows.append((getter, f".duration_to_{part}", ["duration"], "int"))
    return rows


def _split(parameters: str) -> list[str]:
    """Split at the commas outside parentheses."""
    parts, depth, current = [], 0, ""
    for character in parameters:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


@lru_cache(maxsize=1)
def standard_functions() -> dict[str, Function]:
    """Return CEL's operators and standard functions by name, without implementations."""
    kinds: dict[str, Type] = {}

    def kind(text: str) -> Type:
        if text not in kinds:
            kinds[text] = parse_type(_SHORT.get(text, text))
        return kinds[text]

    overloads: dict[str, list[Overload]] = {}
    for function, identifier, parameters, result in _signatures():
        overloads.setdefault(function, []).append(
            Overload(
                identifier.removeprefix("."),
                tuple(kind(p) for p in parameters),
                kind(result),
                _emitted_by_the_compiler,
                member=identifier.startswith("."),
            )
        )
    return {name: Function(name, tuple(found)) for name, found in overloads.items()}
