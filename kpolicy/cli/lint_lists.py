"""`kpolicy lint checks list` and `kpolicy lint templates list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kpolicy.compat.kube_linter_report import Check
    from kpolicy.compat.kube_linter_templates import Template, TemplateParam

_FORMATS = ("json", "markdown", "plain")
_RULE = "\n------------------------------\n\n"
_format = click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default="plain",
    show_default=True,
    help="How to print them.",
)
_color = click.option("--with-color", is_flag=True, hidden=True)


@click.command("list")
@_format
@_color
def checks(format_: str, with_color: bool) -> int:
    """List kube-linter's built-in checks."""
    from kpolicy.compat.kube_linter import checks_of
    from kpolicy.compat.kube_linter_checks import builtin_checks
    from kpolicy.compat.kube_linter_report import dumps
    from kpolicy.plugins.manager import make_toolbox

    found = list(checks_of(builtin_checks(make_toolbox())).values())
    if format_ == "json":
        text = dumps([check.as_json() for check in found])
    elif format_ == "markdown":
        text = "# Checks\n\n" + "\n".join(_check_markdown(check) for check in found)
    else:
        text = _RULE.join(_check_plain(check) for check in found)
    click.echo(text, nl=False)
    return 0


@click.command("list")
@_format
@_color
def templates(format_: str, with_color: bool) -> int:
    """List the templates that custom checks can be made of."""
    from kpolicy.compat.kube_linter_report import dumps
    from kpolicy.compat.kube_linter_templates import templates as all_templates

    found = list(all_templates().values())
    if format_ == "json":
        text = dumps([_template_json(template) for template in found])
    elif format_ == "markdown":
        text = "# Templates\n\n" + "\n".join(_template_markdown(template) for template in found)
    else:
        text = _RULE.join(_template_plain(template) for template in found)
    click.echo(text, nl=False)
    return 0


COMMANDS = {"checks": checks, "templates": templates}


def _check_plain(check: Check) -> str:
    return (
        f"Name: {check.name}\nDescription: {check.description}\nRemediation: {check.remediation}\n"
        f"Template: {check.template}\nParameters: {_go_map(check.params)}\n"
        f"Enabled by default: {_word(check.default)}\n"
    )


def _word(value: bool) -> str:
    return "true" if value else "false"


def _go_map(params: Any) -> str:
    """Return parameters as Go prints a map."""
    return "map[" + " ".join(f"{key}:{_go(params[key])}" for key in sorted(params)) + "]"


def _go(value: Any) -> str:
    if isinstance(value, bool):
        return _word(value)
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(_go(item) for item in value) + "]"
    return str(value)


def _check_markdown(check: Check) -> str:
    import json

    params = "".join(f"{key}: {json.dumps(value)}\n" for key, value in check.params.items())
    shown = f"\n**Parameters**:\n\n```yaml\n{params}```\n" if params else ""
    return (
        f"## {check.name}\n\n**Enabled by default**: {'Yes' if check.default else 'No'}\n\n"
        f"**Description**: {check.description}\n\n**Remediation**: {check.remediation}\n\n"
        f"**Template**: {check.template}\n{shown}"
    )


def _template_json(template: Template) -> dict[str, Any]:
    return {
        "HumanName": template.title,
        "Key": template.key,
        "Description": template.description,
        "SupportedObjectKinds": {"objectKinds": list(template.supported)},
        "Parameters": [_param_json(param) for param in template.params],
    }


def _param_json(param: TemplateParam) -> dict[str, Any]:
    return {
        "Name": param.name,
        "Type": param.type,
        "Description": param.description,
        "Examples": None,
        "Enum": list(param.enum) or None,
        "SubParameters": None,
        "ArrayElemType": "string" if param.type == "array" else "",
        "Required": param.required,
        "NoRegex": not param.regex,
        "NotNegatable": not param.regex or param.type == "array",
    }


def _template_plain(template: Template) -> str:
    lines = [
        f"Name: {template.title}",
        f"Key: {template.key}",
        f"Description: {template.description}",
        f"Supported Objects: [{' '.join(template.supported)}]",
    ]
    lines.append("Parameters:" if template.params else "Parameters: none")
    for param in template.params:
        lines += [
            f"\t{param.name}:",
            f"\t\tDescription: {param.description}",
            f"\t\tRequired: {_word(param.required)}",
        ]
        if param.type == "array":
            lines.append("\t\tElem type: string")
    return "\n".join(lines) + "\n"


def _template_markdown(template: Template) -> str:
    params = "\n".join(_rows(template.params))
    shown = f"\n| Parameter | Type | |\n|---|---|---|\n{params}\n" if params else ""
    return (
        f"## {template.title}\n\n**Key**: `{template.key}`\n\n"
        f"**Description**: {template.description}\n\n"
        f"**Supported Objects**: {', '.join(template.supported)}\n{shown}"
    )


def _rows(params: Iterable[TemplateParam]) -> list[str]:
    return [
        f"| `{p.name}`{', required' if p.required else ''} | {p.type} | {p.description} |"
        for p in params
    ]
