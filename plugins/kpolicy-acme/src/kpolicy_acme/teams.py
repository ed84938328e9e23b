"""Which team owns a resource: one rule, for policies in CEL and for the labels of findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kpolicy.cel import STRING, Function, Library, Overload
from kpolicy.cel.types import DYN, map_of
from kpolicy.findings import Finding

LABEL = "acme.example/team"


def team(labels: Mapping[str, object], otherwise: str = "") -> str:
    """Return the team that labels name, `otherwise` where they name none."""
    named = labels.get(LABEL)
    return named.lower() if isinstance(named, str) and named else otherwise


def library() -> Library:
    """Return the CEL library: `acme.team(labels)` and `acme.team(labels, otherwise)`.

    The cost is constant (no `cost`): one look into a map, however large it is.
    """
    labels = map_of(STRING, DYN)
    return Library(
        "acme",
        (
            Function(
                "acme.team",
                (
                    Overload("acme_team_map", (labels,), STRING, team),
                    Overload("acme_team_map_string", (labels, STRING), STRING, team),
                ),
                doc="The team that labels name.",
            ),
        ),
        doc="Acme's rules about ownership.",
    )


def owned(finding: Finding) -> Finding:
    """Return the finding with the label `team`, as it was where no team is known."""
    owner = team(finding.resource_labels)
    return replace(finding, labels={**finding.labels, "team": owner}) if owner else finding
