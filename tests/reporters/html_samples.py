"""Hostile texts, and a report that says one of them wherever a scanned repository can write."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from report_samples import FULL, finding

from kpolicy.errors import Problem
from kpolicy.findings import Place, PolicyInfo, Related, Report, ResourceRef, Suppression
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid, Note

HOSTILE_PARTS = (
    "</script><script>hit()</script>",
    "<img src=x onerror=hit()>",
    "</noscript></style><svg onload=hit()>",
    '"><b onclick="hit()">',
    "'-->]]><!--<script>",
    "{{script}}{{data}}",
    "&lt;i&gt;&#60;i&#62;\\u003ci>",
    "javascript:hit()",
)


def everywhere(text: str) -> Report:
    """Return a report that says `text` in every place that a scanned repository can write to."""
    place = Place(SourceLocation(f"{text}.yaml", 1, 1), f"/{text}")
    resource = ResourceRef(text, text, text, text)
    one = finding(
        policy=text, pack=text, message=text, resource=resource, place=place, fingerprint=text,
        related=(Related(resource, place, text),), scope=text, remediation=text, item=text,
        labels=MappingProxyType({text: text}), details=MappingProxyType({text: text}),
    )  # fmt: skip
    hidden = replace(one, suppression=Suppression("comment", text, place.location))
    info = PolicyInfo(text, text, "error", text, text, text, (text,), text)
    return replace(
        FULL, findings=(one,), suppressed=(hidden,), policies=(info,),
        invalid=(Invalid(place.location, text),), notes=(Note(text, place.location),),
        problems=(Problem(text, place.location, text),),
        summary=replace(FULL.summary, skipped=MappingProxyType({text: 3})),
    )  # fmt: skip
