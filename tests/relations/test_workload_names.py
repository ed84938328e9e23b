"""How workloads and containers are recognised: names with generated suffixes, words, commands."""

from __future__ import annotations

import pytest

from kpolicy.cel.errors import CelError
from kpolicy.frozen import freeze
from kpolicy.relations.workload_names import command_line, is_named, runs

WORDS = ["web", "log-collector"]


@pytest.mark.parametrize(
    "name",
    [
        "web",
        "log-collector",
        "web-0",
        "web-12",
        "log-collector-7d9f8b6c5d-x2x8z",
        "web-6c8b4d9f7-xk9z2",
        "web-7d9f8b6c5d",
        "web-x2x8z",
        "web-5f6d7",
    ],
)
def test_a_word_or_a_word_with_a_generated_suffix(name: str) -> None:
    """Ordinals, template hashes, random suffixes and hexadecimal hashes count."""
    assert is_named(name, WORDS)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "webs",
        "web-",
        "web-proxy",
        "web-v2",
        "my-web",
        "web-0-proxy",
        "log",
        "WEB",
        "web-facade",
    ],
)
def test_other_names(name: str) -> None:
    """What a person added to a word makes another name."""
    assert not is_named(name, WORDS)


def test_a_container_is_recognised_by_name_or_image() -> None:
    """The image counts by the last segment of its repository; patterns are searched in both."""
    words = freeze(["envoy", "/-exporter$/"])
    assert runs({"name": "envoy"}, words)
    assert runs(
        {"name": "x", "image": "registry.example:5000/envoyproxy/envoy:v1@sha256:ab"}, words
    )
    assert runs({"name": "redis-exporter"}, words)
    assert runs({"image": "acme/redis-exporter"}, words)
    assert not runs({"name": "envoy2", "image": "acme/envoy-tools:1"}, words)
    assert not runs({"name": 7, "image": None}, words)
    assert not runs("envoy", words)
    assert not runs({}, freeze([""]))


def test_the_words_may_be_a_plain_list_too() -> None:
    """A list made in CEL is not remembered, and means the same."""
    words = ["a"]
    assert runs({"name": "a"}, words)
    words[0] = "b"
    assert not runs({"name": "a"}, words)


def test_a_bad_pattern_is_an_evaluation_error() -> None:
    """The message shows the pattern."""
    with pytest.raises(CelError, match=r"/\(/ is no regular expression"):
        runs({"name": "a"}, ["/(/"])


def test_the_command_line_takes_what_is_text() -> None:
    """Command first, then arguments; anything else is left out."""
    assert command_line({"command": ["sh", "-c"], "args": ["tail -f /x", 7]}) == "sh -c tail -f /x"
    assert command_line({"command": "sh", "args": None}) == ""
    assert command_line(None) == ""
