"""The report through a Jinja template of the user's, in Jinja's sandbox.

A template sees what the JSON format holds (`version`, `summary`, `findings`, `invalid`), the run
policies by id (`policies`), `suppressed`, and the filters `clean`, `one_line`, `xml`, `markdown`.
"""

from __future__ import annotations

from typing import Any

from kpolicy.errors import Problem, UsageError
from kpolicy.findings import Report
from kpolicy.location import SourceLocation
from kpolicy.reporters.json import as_data, finding_data
from kpolicy.reporters.markdown import escaped
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import clean, one_line, xml_text


def render(report: Report, context: ReportContext) -> str:
    """Return what the template `context.settings["template"]` makes of the report.

    `settings["template_path"]` names it in messages. Raises `UsageError` where there is none, where
    it is wrong or fails, and where Jinja is not installed.
    """
    path = context.settings.get("template_path", "template")
    text = context.settings.get("template")
    if not isinstance(text, str):
        raise UsageError(
            Problem("--format template needs a template", None, "name it with --template FILE")
        )
    try:
        import jinja2
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        hint = "pip install 'kpolicy[template]'"
        raise UsageError(Problem("--format template needs Jinja", None, hint)) from error
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(clean=clean, one_line=one_line, xml=xml_text, markdown=escaped)
    try:
        made = environment.from_string(text).render(_data(report, context))
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None) or _line_of(error)
        what = f"{type(error).__name__}: {error.message or error}"
        raise UsageError(Problem(what, SourceLocation(path, line))) from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise UsageError(Problem(what, SourceLocation(path, _line_of(error)))) from error
    return made


def _data(report: Report, context: ReportContext) -> dict[str, Any]:
    data = as_data(report, context.version)
    data["policies"] = {
        policy.id: {
            "id": policy.id, "pack": policy.pack, "severity": policy.severity,
            "title": policy.title, "description": policy.description,
            "remediation": policy.remediation, "references": list(policy.references),
            "category": policy.category,
        }
        for policy in report.policies
    }  # fmt: skip
    data["suppressed"] = [
        {
            **finding_data(finding),
            "suppression": {
                "kind": finding.suppression.kind if finding.suppression else "",
                "reason": finding.suppression.reason if finding.suppression else "",
            },
        }
        for finding in report.suppressed
    ]
    return data


def _line_of(error: BaseException) -> int:
    """Return the template's line in an error's traceback (Jinja maps it), 0 where there is none."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
