# ruff: noqa: E501 -- the texts read better whole
"""Which policies run, and what is said of a name that is none."""

from __future__ import annotations

import pytest
from scan_kit import policy

from kpolicy.config.model import Config
from kpolicy.engine.request import Selection
from kpolicy.engine.selection import choose, severity_of
from kpolicy.errors import ConfigError, UsageError
from kpolicy.location import SourceLocation
from kpolicy.policy.catalogue import PolicyFile, build
from kpolicy.policy.formats import NATIVE
from kpolicy.policy.loader import Defaults


def entry(name, pack, default):
    """Return a policy file."""
    text = policy(name, "validations: [{expression: 'true'}]")
    return PolicyFile(f"{name}.yaml", text, Defaults(pack, default))


CATALOGUE = build(
    [
        entry("latest-tag", "kube", True),
        entry("host-ipc", "kube", False),
        entry("host-pid", "kube", False),
        entry("split-sidecar", "sidecar", True),
        entry("unused-volume", "sidecar", False),
    ],
    (),
    (NATIVE,),
)


def chosen(selection=None, config=None):
    """Return the ids that run."""
    return list(choose(CATALOGUE, selection or Selection(), config or Config()))


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        (Selection(), ["latest-tag", "split-sidecar"]),
        (Selection(select=("host-ipc",)), ["host-ipc"]),
        (Selection(select=("host-*",)), ["host-ipc", "host-pid"]),
        (Selection(packs=("kube",)), ["host-ipc", "host-pid", "latest-tag", "split-sidecar"]),
        (Selection(include=("host-ipc",)), ["host-ipc", "latest-tag", "split-sidecar"]),
        (Selection(exclude=("latest-tag",)), ["split-sidecar"]),
        (Selection(include=("host-*",), exclude=("host-pid",)), ["host-ipc", "latest-tag", "split-sidecar"]),
        (Selection(all=True, exclude=("host-*", "latest-tag")), ["split-sidecar", "unused-volume"]),
        (Selection(select=("host-ipc",), exclude=("host-ipc",)), []),
    ],
)  # fmt: skip
def test_flags(selection, ids):
    assert chosen(selection) == ids


@pytest.mark.parametrize(
    ("config", "selection", "ids"),
    [
        (Config(defaults=False, include=("host-ipc",)), Selection(), ["host-ipc"]),
        (Config(packs=("kube",), exclude=("host-*",)), Selection(), ["latest-tag", "split-sidecar"]),
        (Config(exclude=("latest-tag",)), Selection(), ["split-sidecar"]),
        (Config(exclude=("latest-tag",)), Selection(include=("latest-tag",)), ["latest-tag", "split-sidecar"]),
        (Config(exclude=("latest-tag",)), Selection(select=("latest-tag",)), ["latest-tag"]),
        (Config(exclude=("latest-tag",)), Selection(all=True), ["host-ipc", "host-pid", "split-sidecar", "unused-volume"]),
        (Config(all=True, exclude=("host-*",)), Selection(), ["latest-tag", "split-sidecar", "unused-volume"]),
        (Config(enforced=("host-ipc",)), Selection(exclude=("host-ipc",)), ["host-ipc", "latest-tag", "split-sidecar"]),
        (Config(include=("host-ipc",)), Selection(select=("latest-tag",)), ["latest-tag"]),
    ],
)  # fmt: skip
def test_flags_over_the_configuration(config, selection, ids):
    assert chosen(selection, config) == ids


@pytest.mark.parametrize(
    ("selection", "hint"),
    [
        (Selection(select=("latest-tga",)), 'did you mean "latest-tag"?'),
        (Selection(include=("sidecar",)), '"sidecar" is a pack: --pack sidecar'),
        (Selection(exclude=("zzz*",)), "policies list"),
        (Selection(packs=("sidcar",)), 'did you mean "sidecar"?'),
        (Selection(packs=("host-ipc",)), "--include host-ipc"),
    ],
)
def test_an_unknown_name_is_a_usage_error_with_the_next_step(selection, hint):
    with pytest.raises(UsageError) as caught:
        chosen(selection)
    assert hint in str(caught.value)


def test_all_unknown_names_come_at_once():
    with pytest.raises(UsageError) as caught:
        chosen(Selection(include=("a", "b"), exclude=("c",), packs=("d",)))
    assert len(caught.value.problems) == 4


def test_an_unknown_name_in_the_configuration_has_its_place():
    at = SourceLocation("c.yaml", 3, 5)
    config = Config(path="c.yaml", include=("latst-tag",), origins={"include.0": at})
    with pytest.raises(ConfigError) as caught:
        chosen(config=config)
    (problem,) = caught.value.problems
    assert problem.location == at
    assert 'did you mean "latest-tag"?' in problem.hint


def test_an_exact_id_wins_over_a_glob_for_severity():
    rules = {"no-*": "info", "no-x": "error"}
    assert severity_of("no-x", "warning", rules) == "error"
    assert severity_of("no-y", "warning", rules) == "info"
    assert severity_of("other", "warning", rules) == "warning"
