"""Values given on the command line as YAML: `--param ID.NAME=VALUE`, `--var NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpolicy.errors import Problem, UsageError


def params_of(given: tuple[str, ...]) -> Mapping[str, Mapping[str, Any]]:
    """Return parameter values by policy from `ID.NAME=VALUE` words. Raises `UsageError`."""
    found: dict[str, dict[str, Any]] = {}
    for word in given:
        key, equals, text = word.partition("=")
        policy, dot, name = key.rpartition(".")
        if not (equals and dot and policy and name):
            hint = "write --param POLICY.NAME=VALUE, as in split-sidecar.roles=[fluentd]"
            raise UsageError(Problem(f'--param: cannot read "{word}"', None, hint))
        found.setdefault(policy, {})[name] = yaml_value("--param", word, text)
    return found


def user_of(path: str) -> Mapping[str, Any]:
    """Return the user that a file describes, as `request.userInfo` has it.

    Source: UserInfo of authentication.k8s.io/v1. Raises `UsageError` with every problem.
    """
    from pathlib import Path

    from kpolicy.frozen import freeze
    from kpolicy.location import SourceLocation
    from kpolicy.strict.node import compose
    from kpolicy.strict.reader import Reader

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(Problem(f"cannot be read: {what}", SourceLocation(path))) from error
    documents, problems = compose(path, text)
    if problems:
        raise UsageError(*problems)
    if len(documents) != 1:
        raise UsageError(Problem("a user is one document", SourceLocation(path)))
    reader = Reader(documents[0].source)
    fields = reader.fields(documents[0], "the user", ("username", "uid", "groups", "extra"))
    user: dict[str, Any] = {}
    for name in ("username", "uid"):
        if name in fields:
            user[name] = reader.string(fields[name], name)
    if "groups" in fields:
        user["groups"] = list(reader.strings(fields["groups"], "groups"))
    if "extra" in fields:
        user["extra"] = {
            name: list(reader.strings(node, f"extra.{name}"))
            for name, node in reader.entries(fields["extra"], "extra")
        }
    if reader.problems:
        raise UsageError(*reader.problems)
    frozen: Mapping[str, Any] = freeze(user)
    return frozen


def yaml_value(flag: str, word: str, text: str) -> Any:
    """Return the value of YAML text. Raises `UsageError` that names the flag and the word."""
    from kpolicy.strict.node import compose

    documents, problems = compose(flag, text)
    if problems or len(documents) > 1:
        what = problems[0].message if problems else "it holds several documents"
        raise UsageError(Problem(f'{flag}: the value of "{word}" is no YAML value: {what}'))
    return documents[0].value if documents else None
