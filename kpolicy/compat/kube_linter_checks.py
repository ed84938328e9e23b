"""kube-linter's `customChecks` as policies: a template's policy with other parameters and kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.compat.kube_linter_templates import (
    OBJECT_KINDS,
    Template,
    TemplateParam,
    narrowed,
    templates,
)
from kpolicy.errors import ConfigError, Problem
from kpolicy.policy.model import Match, Param, Policy
from kpolicy.strict.suggest import did_you_mean

if TYPE_CHECKING:
    from kpolicy.config.model import Config
    from kpolicy.engine.request import Toolbox
    from kpolicy.location import SourceLocation

#: The pack of kube-linter's checks.
PACK = "kube-linter"
#: Policies of the pack that stand for a template without a check of its own.
TEMPLATE_ONLY = frozenset(
    (
        "no-forbidden-annotation",
        "no-forbidden-pull-policy",
        "claim-template-annotation",
        "dangling-service-ignoring-labels",
    )
)
#: Templates of kube-linter's that have no policy, and what to do instead.
ELSEWHERE = {"kubeconform": "the pack schema validates: kpolicy scan --pack schema"}

_NAME = re.compile(r"[a-zA-Z0-9-_]+\Z")


def with_custom_checks(toolbox: Toolbox, config: Config) -> tuple[Toolbox, Config]:
    """Return both with the configuration's `customChecks` made policies that run.

    Raises `ConfigError` with everything that is wrong in them.
    """
    made = custom_policies(config.checks, builtin_checks(toolbox))
    factory = toolbox.factory
    if factory is not None:
        from kpolicy.engine.request import ToolboxFactory

        factory = ToolboxFactory(__name__, "make_toolbox", (factory, config.checks))
    widened = replace(toolbox, policies=(*toolbox.policies, *made), factory=factory)
    include = (*config.include, *(policy.id for policy in made))
    return widened, replace(config, include=include, checks=())


def make_toolbox(factory: Any, checks: Sequence[Mapping[str, Any]]) -> Toolbox:
    """Return the toolbox of a worker process: that of `factory`, and the custom checks."""
    toolbox: Toolbox = factory.make()
    made = custom_policies(checks, builtin_checks(toolbox))
    return replace(toolbox, policies=(*toolbox.policies, *made))


def builtin_checks(toolbox: Toolbox) -> dict[str, Policy]:
    """Return the policies of kube-linter's pack by id, those for templates alone included."""
    from kpolicy.policy.catalogue import read_pack
    from kpolicy.policy.loader import load_file

    found = {policy.id: policy for policy in toolbox.policies if policy.pack == PACK}
    for pack in toolbox.packs:
        if pack.name == PACK:
            for file in read_pack(pack):
                loaded = load_file(file.path, file.text, toolbox.formats, file.defaults)
                found.update((policy.id, policy) for policy in loaded.policies)
    return found


def custom_policies(
    checks: Iterable[Mapping[str, Any]], builtin: Mapping[str, Policy]
) -> list[Policy]:
    """Return a policy for each custom check, as `kpolicy.config.kube_linter` reads them.

    Raises `ConfigError` with all problems of all of them.
    """
    problems: list[Problem] = []
    made: dict[str, Policy] = {}
    known = templates()
    for check in checks:
        places = _Places(check)
        name = check.get("name", "")
        before = len(problems)
        if not _NAME.match(name):
            problems.append(
                Problem(
                    f'"{name}" is no name of a check',
                    places["name"],
                    "letters, digits, hyphens and underscores",
                )
            )
        elif name in made or name in builtin:
            problems.append(
                Problem(f'a check is called "{name}" already', places["name"], "rename this one")
            )
        template = known.get(check.get("template", ""))
        if template is None:
            problems.append(_no_template(check.get("template", ""), places["template"], known))
            continue
        kinds = _kinds(check, template, places, problems)
        values = _values(check.get("params") or {}, template, places, problems)
        if len(problems) > before:
            continue
        made[name] = _policy(check, template, kinds, values, builtin)
    if problems:
        raise ConfigError(*problems)
    return list(made.values())


class _Places:
    """Where the parts of a custom check were written; the check itself where that is unknown."""

    def __init__(self, check: Mapping[str, Any]) -> None:
        self._whole: SourceLocation | None = check.get("location")
        self._places: Mapping[str, SourceLocation] = check.get("places") or {}

    def __getitem__(self, key: str) -> SourceLocation | None:
        return self._places.get(key, self._whole)


def _no_template(key: str, at: SourceLocation | None, known: Mapping[str, Template]) -> Problem:
    hint = ELSEWHERE.get(key) or did_you_mean(key, known)
    hint = hint or "`kpolicy lint templates list` shows the templates"
    return Problem(f'there is no template "{key}"', at, hint)


def _kinds(
    check: Mapping[str, Any], template: Template, places: _Places, problems: list[Problem]
) -> tuple[str, ...]:
    """Return the kinds that the check meets: its scope's, as far as the template reaches."""
    scope: list[str] = []
    given = check.get("objectKinds")
    if given is None:
        # An empty `scope:` or one without kinds meets nothing; no scope at all = the template's.
        given = () if "scope" in (check.get("places") or {}) else template.supported
    for number, name in enumerate(given):
        if name in OBJECT_KINDS:
            scope.extend(OBJECT_KINDS[name])
        else:
            hint = did_you_mean(name, OBJECT_KINDS) or f"known: {', '.join(OBJECT_KINDS)}"
            at = places[f"objectKinds.{number}"]
            problems.append(Problem(f'there is no object kind "{name}"', at, hint))
    return narrowed(tuple(scope), template.reach) if scope else ()


def _values(
    given: Mapping[str, Any], template: Template, places: _Places, problems: list[Problem]
) -> dict[str, Any]:
    """Return the template's parameters by lower-case name, `zero` where one is absent."""
    before = len(problems)
    declared = {param.name.lower(): param for param in template.params}
    values = {name: param.zero for name, param in declared.items()}
    for key, value in given.items():
        param = declared.get(key.lower())
        at = places[f"params.{key}"]
        if param is None:
            names = [p.name for p in template.params]
            hint = did_you_mean(key, names) or f"its parameters: {', '.join(names) or 'none'}"
            problems.append(
                Problem(f'template "{template.key}" has no parameter "{key}"', at, hint)
            )
            continue
        if value is None:
            continue
        wrong = _misfit(param, value)
        if wrong:
            problems.append(Problem(f"params.{key} {wrong}", at))
        else:
            values[param.name.lower()] = tuple(value) if param.type == "array" else value
    for name, param in declared.items():
        if param.required and values[name] in ("", None):
            problems.append(
                Problem(
                    f'template "{template.key}" needs the parameter "{param.name}"',
                    places["params"],
                    param.description,
                ),
            )
    if len(problems) == before:
        problems.extend(_contradictions(template, values, places))
    return values


def _misfit(param: TemplateParam, value: Any) -> str:
    """Return why `value` is no value for `param`, or ""."""
    from kpolicy.policy.params import misfit

    items: Any = "string" if param.type == "array" else None
    wanted: Any = param.type
    wrong = misfit(Param(param.name, wanted, items=items, enum=param.enum), value)
    if wrong or not param.regex:
        return wrong
    texts = (value,) if isinstance(value, str) else value
    return next((w for w in map(_bad_regex, texts) if w), "")


def _bad_regex(text: str) -> str:
    from kpolicy.cel import CelError
    from kpolicy.cel.library.standard import pattern

    try:
        pattern(text.removeprefix("!"))
    except CelError as error:
        return f"is no regular expression: {error}"
    return ""


def _contradictions(
    template: Template, values: Mapping[str, Any], places: _Places
) -> list[Problem]:
    """Return what is wrong about parameters that are each well-formed."""
    at = places["params"]
    if template.key == "latest-tag" and values["blocklist"] and values["allowlist"]:
        return [Problem("blockList and allowList exclude each other", at, "give one of them")]
    if template.key == "verify-container-capabilities":
        return _capabilities(values["forbiddencapabilities"], values["exceptions"], at)
    if template.key == "update-configuration":
        names = ("maxpodsunavailable", "minpodsunavailable", "maxsurge", "minsurge")
        return [
            Problem(f'"{values[name]}" is neither a number nor a percentage up to 100%', at)
            for name in names
            if values[name] and not _is_amount(values[name])
        ]
    if template.key == "cel-expression":
        from kpolicy.cel import CelError
        from kpolicy.compat.kube_linter_cel import program_of

        try:
            program_of(values["check"])
        except CelError as error:
            where = f"line {error.line}, column {error.column} of the expression: "
            hint = "\n".join(part for part in (error.hint, error.excerpt()) if part)
            place = places["params.check"]
            return [Problem(f"{where if error.line else ''}{error.message}", place, hint)]
    return []


def _capabilities(
    forbidden: Sequence[str], exceptions: Sequence[str], at: SourceLocation | None
) -> list[Problem]:
    every = any(text.lower() == "all" for text in forbidden)
    if every and len(forbidden) > 1:
        return [Problem('"all" must stand alone in forbiddenCapabilities', at)]
    if exceptions and not every:
        return [Problem("exceptions are for forbiddenCapabilities: [all] only", at)]
    if any(text.lower() == "all" for text in exceptions):
        return [Problem('"all" is no exception', at)]
    return []


def _is_amount(text: str) -> bool:
    number = text.removesuffix("%")
    if not re.fullmatch(r"\+?[0-9]+", number):
        return False
    return not text.endswith("%") or int(number) <= 100


def _policy(
    check: Mapping[str, Any],
    template: Template,
    kinds: tuple[str, ...],
    values: Mapping[str, Any],
    builtin: Mapping[str, Policy],
) -> Policy:
    if template.policy:
        base = builtin[_policy_of(template, values)]
    else:
        from kpolicy.compat.kube_linter_cel import CelCheck

        source = values["check"]
        base = Policy(id="", match=Match(decoded="readable"), check=CelCheck(source))
    match = replace(base.match, kinds=kinds or ("*",), exclude_kinds=() if kinds else ("*",))
    params = tuple(_with_default(param, values) for param in base.params)
    metadata = {**base.metadata, "derived": template.key}
    if not template.policy and "objects" not in _references(values["check"]):
        metadata["local"] = True
    return replace(
        base,
        id=check["name"],
        title=check.get("description") or template.description,
        description=check.get("description", ""),
        remediation=check.get("remediation", ""),
        severity="error",
        category="custom",
        pack=PACK,
        default=True,
        references=(),
        params=params,
        match=match,
        metadata=MappingProxyType(metadata),
    )


def _policy_of(template: Template, values: Mapping[str, Any]) -> str:
    """Return the id of the policy that does a template's work with these values."""
    if template.key == "dangling-service" and values["ignoredlabels"]:
        return "dangling-service-ignoring-labels"
    return template.policy


def _references(source: str) -> frozenset[str]:
    from kpolicy.compat.kube_linter_cel import program_of

    return program_of(source).references


def _with_default(param: Param, values: Mapping[str, Any]) -> Param:
    """Return a parameter of the policy with the check's value as its default."""
    value = values.get(param.name.lower(), param.default)
    return replace(param, default=list(value) if isinstance(value, tuple) else value)
