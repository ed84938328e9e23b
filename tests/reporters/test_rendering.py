"""Untrusted text is made harmless, and what several reporters share says what it should."""

from __future__ import annotations

import pytest
from report_samples import CLEAN, EMPTY, FULL, MOSTLY_SKIPPED, SPLIT, context

from kpolicy.reporters.rendering import (
    clean,
    message_with_places,
    one_line,
    plural,
    repository_path,
    summary_lines,
    xml_text,
)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ("grün ✓ 容器", "grün ✓ 容器"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("a\x1b[1;38;5;200mb", "ab"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x9b31mb", "ab"),
        ("a\x1bPq\x1b\\b", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x1b", "a"),
        ("a\x1b[", "a"),
        ("a\x1b]no end", "a"),
        ("a\rb\bc\x00d\x7fe", "a\ufffdb\ufffdc\ufffdd\ufffde"),
        ("one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("user\u202egpj.exe", "user\ufffdgpj.exe"),
        ("line\u2028break", "line\ufffdbreak"),
        ("half \ud800", "half \ufffd"),
    ],
)
def test_no_escape_sequence_and_no_control_survives(given: str, shown: str) -> None:
    assert clean(given) == shown


def test_one_line_folds_white_space() -> None:
    assert one_line("a\n  b\tc \x1b[31m d") == "a b c d"


def test_xml_text_holds_no_markup_and_no_forbidden_character() -> None:
    assert xml_text('<a href="x">&]]>\x00\uffff\n') == (
        "&lt;a href=&quot;x&quot;&gt;&amp;]]&gt;\ufffd\ufffd&#10;"
    )


@pytest.mark.parametrize(
    ("path", "root", "directory", "shown"),
    [
        ("apps/web.yaml", "/repo", "/repo/clusters", "clusters/apps/web.yaml"),
        ("../web.yaml", "/repo", "/repo/clusters", "web.yaml"),
        ("/repo/a/b.yaml", "/repo", "/elsewhere", "a/b.yaml"),
        ("/repository/b.yaml", "/repo", "/repo", "/repository/b.yaml"),
        ("../../out.yaml", "/repo", "/repo/clusters", "../../out.yaml"),
        ("web.yaml", "", "/repo", "web.yaml"),
        ("<stdin>", "/repo", "/repo", "<stdin>"),
        ("web.yaml", "/repo/", "", "web.yaml"),
    ],
)
def test_paths_are_relative_to_the_repository_root(
    path: str, root: str, directory: str, shown: str
) -> None:
    given = context(repository_root=root, working_directory=directory)
    assert repository_path(path, given) == shown


def test_related_places_become_sentences_where_a_format_has_no_room_for_them() -> None:
    assert message_with_places(SPLIT) == (
        "log-shipper is a helper of web that runs in a pod of its own."
        " See Deployment/shop/web (shared-volume-claim) at apps/web.yaml:14:11."
    )


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [(1, "error", "1 error"), (0, "policy", "0 policies"), (1200, "resource", "1,200 resources")],
)
def test_plural(number: int, noun: str, words: str) -> None:
    assert plural(number, noun) == words


def test_summary_of_a_clean_scan_is_one_line() -> None:
    assert summary_lines(CLEAN) == ["No findings in 3 resources, 38 policies."]


def test_summary_counts_what_was_left_out() -> None:
    assert summary_lines(FULL) == [
        "3 errors, 2 warnings, 1 info in 4 resources, 38 policies;"
        " 1 suppressed; 1 invalid; 2 skipped (2 not-kubernetes)."
    ]


def test_last_line_says_when_nothing_was_scanned() -> None:
    assert summary_lines(EMPTY)[-1] == "Nothing was scanned: no manifests were found."


def test_last_line_says_when_more_was_skipped_than_scanned() -> None:
    assert summary_lines(MOSTLY_SKIPPED)[-1] == (
        "More was skipped than scanned: 7 skipped (4 helm-template, 3 not-kubernetes),"
        " 2 resources scanned."
    )
