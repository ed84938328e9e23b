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


def yaml_value(flag: str, word: str, text: str) -> Any:
    """Return the value of YAML text. Raises `UsageError` that names the flag and the word."""
    from kpolicy.strict.node import compose

    documents, problems = compose(flag, text)
    if problems or len(documents) > 1:
        what = problems[0].message if problems else "it holds several documents"
        raise UsageError(Problem(f'{flag}: the value of "{word}" is no YAML value: {what}'))
    return documents[0].value if documents else None
