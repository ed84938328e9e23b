"""A format may have its version under another key than `apiVersion`."""

from __future__ import annotations

import pytest

from kpolicy.policy.formats import NATIVE, Loaded, PolicyFormat
from kpolicy.policy.loader import load_file
from kpolicy.policy.model import Policy
from kpolicy.policy.source import SourceNode


def _one(document: SourceNode) -> Loaded:
    return Loaded((Policy("found", location=document.location),))


FORMATS = (NATIVE, PolicyFormat("other", "acme.dev/v1", ("Rule",), _one, version_field="version"))


def test_the_key_is_asked_where_there_is_no_api_version() -> None:
    loaded = load_file("p.yaml", "version: acme.dev/v1\nkind: Rule\n", FORMATS)
    assert [policy.id for policy in loaded.policies] == ["found"]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("version: acme.dev/v2\nkind: Rule\n", "1:10", 'no policy format reads "acme.dev/v2"'),
        ("version: acme.dev/v1\nkind: Role\n", "2:7", '"Role" is no kind of policy'),
        ("version: acme.dev/v1\n", "1:1", 'the document lacks "kind"'),
        ("version: other.dev/v1\nkind: Rule\n", "1:1", 'the document lacks "apiVersion"'),
        ("version: 3\nkind: Rule\n", "1:1", 'the document lacks "apiVersion"'),
        (
            "apiVersion: x.dev/v1\nversion: acme.dev/v1\nkind: Rule\n",
            "1:13",
            'no policy format reads "x.dev/v1"',
        ),
    ],
)
def test_what_no_format_claims(text: str, place: str, message: str) -> None:
    """An apiVersion counts where there is one, and a key of another meaning counts for nothing."""
    loaded = load_file("p.yaml", text, FORMATS)
    (problem,) = loaded.problems
    assert (str(problem.location), problem.message) == (f"p.yaml:{place}", message)
    assert loaded.policies == ()


@pytest.mark.parametrize(
    ("version", "plugin"),
    [
        ("kyverno.io/v1", "kpolicy-kyverno"),
        ("policies.kyverno.io/v1", "kpolicy-kyverno"),
        ("templates.gatekeeper.sh/v1", "kpolicy-gatekeeper"),
        ("constraints.gatekeeper.sh/v1beta1", "kpolicy-gatekeeper"),
    ],
)
def test_the_plugin_that_reads_another_engines_policies_is_named(version: str, plugin: str) -> None:
    loaded = load_file("p.yaml", f"apiVersion: {version}\nkind: Rule\n", FORMATS)
    assert f"pip install {plugin}" in loaded.problems[0].hint
