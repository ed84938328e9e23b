"""The html page, read as text: well-formed, self-contained, and inert whatever a manifest says."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from html_samples import HOSTILE_PARTS, everywhere
from report_samples import (
    CLEAN,
    CONTAINER,
    EMPTY,
    FULL,
    HOSTILE,
    MOSTLY_SKIPPED,
    SPLIT,
    SUPPRESSED,
    context,
    finding,
)

import kpolicy.reporters
from kpolicy.findings import Fix, Place, Report
from kpolicy.location import SourceLocation
from kpolicy.reporters.html import LONGEST, TOP, render

PACKAGE = Path(kpolicy.reporters.__file__).parent
VOID = {"meta", "input", "path", "rect"}
ALL = [FULL, HOSTILE, EMPTY, CLEAN, MOSTLY_SKIPPED]


class Page(HTMLParser):
    """A parsed page: its elements in order, the texts in them, and what was not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {tag} {names}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def values(self, attribute: str) -> list[str]:
        return [given[attribute] for _, given in self.elements if attribute in given]


def island(text: str) -> Any:
    """Return the data that the page's script reads."""
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert len(found) == 1
    return json.loads(found[0])


def without_code(text: str) -> str:
    """Return the page without its style, scripts and digests, each finding on its own line."""
    text = re.sub(r"(<style>|<script>).*?(?=</)", r"\1…", text, flags=re.S)
    text = re.sub(r"'sha256-[^']*'", "'sha256-…'", text)
    return text.replace("},{", "},\n{").replace("<li", "\n<li")


@pytest.mark.parametrize(("name", "report"), [("full", FULL), ("hostile", HOSTILE)])
def test_the_page_is_the_golden_file(
    name: str, report: Report, golden: Callable[[str, str], None]
) -> None:
    golden(f"{name}.html", without_code(render(report, context())))


@pytest.mark.parametrize("report", ALL)
def test_every_element_is_closed_and_every_reference_finds_its_element(report: Report) -> None:
    page = Page(render(report, context()))
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    references = [
        *page.values("for"), *page.values("aria-labelledby"), *page.values("aria-describedby"),
        *page.values("list"), *(href[1:] for href in page.values("href")),
    ]  # fmt: skip
    assert set(references) <= set(ids)
    html = next(given for tag, given in page.elements if tag == "html")
    assert html == {"lang": "en"}


@pytest.mark.parametrize("report", ALL)
def test_every_control_has_a_name(report: Report) -> None:
    page = Page(render(report, context()))
    controls = {given["id"] for tag, given in page.elements if tag in ("input", "select")}
    assert controls == set(page.values("for"))


@pytest.mark.parametrize("report", ALL)
def test_nothing_is_loaded_from_anywhere(report: Report) -> None:
    text = render(report, context())
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"link", "img", "iframe", "object", "embed", "base", "video", "audio"}
    for attribute in ("src", "action", "srcset", "poster", "background", "style", "xlink:href"):
        assert page.values(attribute) == []
    assert all(href.startswith("#") for href in page.values("href"))
    style = "".join(page.texts["style"])
    assert "url(" not in style
    assert "@import" not in style
    code = "".join(page.texts["script"][:1] + page.texts["script"][2:])
    assert re.findall(r"https?://[^\s\"']+", code.replace("^https?:", "")) == [
        "http://www.w3.org/2000/svg"
    ]


def test_the_policy_names_the_digests_of_what_runs_and_allows_nothing_else() -> None:
    text = render(FULL, context())
    page = Page(text)
    (policy,) = (
        given["content"]
        for tag, given in page.elements
        if tag == "meta" and given.get("http-equiv") == "Content-Security-Policy"
    )
    directives = {part.split()[0]: part.split()[1:] for part in policy.split(";")}
    inline = re.findall(r"<script>(.*?)</script>", text, re.S)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)

    def digest(source: str) -> str:
        return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"

    assert directives == {
        "default-src": ["'none'"],
        "script-src": [digest(source) for source in inline],
        "style-src": [digest(style)],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "require-trusted-types-for": ["'script'"],
    }
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_the_script_has_no_way_to_make_markup_of_text() -> None:
    for name in ("report.js", "report_early.js"):
        code = (PACKAGE / name).read_text(encoding="utf-8")
        sinks = "innerHTML|outerHTML|insertAdjacentHTML|document.write|eval|Function|DOMParser"
        assert not re.search(rf"\b(?:{sinks})\b|\.on\w+ =|\bfetch\b|XMLHttp|srcdoc", code)
        assert "</" not in code
        assert "<!--" not in code


@pytest.mark.parametrize("text", HOSTILE_PARTS)
def test_hostile_text_makes_no_element_and_no_attribute(text: str) -> None:
    """The page has the same elements and attributes as with a harmless word in all places."""

    def structure(said: str) -> list[tuple[str, list[str]]]:
        page = Page(render(everywhere(said), context(read_lines=lambda _: [said])))
        return [(tag, sorted(given)) for tag, given in page.elements]

    assert structure(text) == structure("word")


@pytest.mark.parametrize("text", HOSTILE_PARTS)
def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    page = render(everywhere(text), context(read_lines=lambda _: [text]))
    data = island(page)
    assert data["findings"][0]["m"] == text
    assert data["sources"][0]["1"] == text
    raw = page[page.index('id="data"') :].partition(">")[2].partition("</script>")[0]
    assert not re.search("[<>&]", raw)
    assert text in Page(page).values("data-policy")


def test_the_same_report_gives_the_same_bytes_whatever_the_clock_says() -> None:
    timed = replace(FULL, timings=MappingProxyType({"total": 1.25}))
    assert render(FULL, context()) == render(timed, context())


def test_the_mark_covers_what_stands_at_the_place() -> None:
    data = island(render(Report(findings=(SPLIT,)), context()))
    (one,) = data["findings"]
    path, line, column, start, end = one["at"]
    assert (data["paths"][path], line, column) == ("apps/logger.yaml", 8, 11)
    assert data["sources"][path]["8"][start:end] == "name: fluentd"
    assert sorted(map(int, data["sources"][path])) == [5, 6, 7, 8, 9]


def test_a_finding_without_a_readable_source_has_no_excerpt() -> None:
    for changes in ({"read_lines": None}, {"read_lines": lambda _: []}):
        data = island(render(Report(findings=(SPLIT,)), context(**changes)))
        assert data["findings"][0]["at"] == [0, 8, 11]
        assert data["sources"] == [{}, {}]


def test_a_line_as_long_as_a_file_is_cut_around_its_mark() -> None:
    line = "x" * 5000 + '"latest"' + "y" * 5000
    place = Place(SourceLocation("a.json", 1, 5001))
    text = render(Report(findings=(finding(place=place),)), context(read_lines=lambda _: [line]))
    before, marked, after = island(text)["findings"][0]["cut"]
    assert marked.startswith('"latest"')
    assert len(before + marked + after) <= LONGEST
    assert len(text) < len(render(Report(findings=(finding(),)), context())) + 4 * LONGEST


def test_texts_that_repeat_are_there_once() -> None:
    many = tuple(finding(fingerprint=str(n)) for n in range(50))
    data = island(render(Report(findings=many), context()))
    assert [len(data[name]) for name in ("policies", "resources", "paths")] == [1, 1, 1]


def test_suppressed_passed_and_failed_evaluations_are_told_apart() -> None:
    report = Report(
        findings=(finding(outcome="pass"), finding(outcome="skip"), finding(outcome="error")),
        suppressed=(SUPPRESSED,),
    )
    found = island(render(report, context()))["findings"]
    assert [one["s"] for one in found] == [3, 4, 0, 5]
    assert [one.get("x", 0) for one in found] == [0, 0, 1, 0]
    assert found[3]["why"] == "by annotation at apps/web.yaml:3:3: agreed with security"


def test_the_plain_list_says_all_that_matters() -> None:
    plain = render(FULL, context()).partition("<noscript>")[2]
    for said in (
        "apps/logger.yaml", "split-sidecar", "log-shipper is a helper of web", "StatefulSet shop/",
        ", line 8", "<pre>- name: fluentd</pre>", "Related: Deployment shop/web (shared-volume-cla",
        "apps/web.yaml:14:11", "Fix: Run the helper", "Could not be evaluated: no such key",
    ):  # fmt: skip
        assert said in plain
    assert plain.count("Fix: Use a fixed version") == 1


def test_a_finding_that_a_fix_mends_says_so() -> None:
    mended = finding(fix=Fix(0, "", ()))
    for given, said in ((mended, True), (finding(), False)):
        text = render(Report(findings=(given,)), context())
        assert ("mends" in island(text)["findings"][0]) is said
        plain = text.partition("<noscript>")[2]
        assert ("<code>kpolicy scan --fix</code> mends it" in plain) is said


def test_code_spans_of_a_remediation_are_elements_and_hold_no_markup() -> None:
    report = Report(findings=(finding(remediation="Set `a: <b>` and\n`c`."),))
    plain = render(report, context()).partition("<noscript>")[2]
    assert "Fix: Set <code>a: &lt;b&gt;</code> and&#10;<code>c</code>." in plain


def test_the_summary_says_when_nothing_was_scanned() -> None:
    text = render(EMPTY, context())
    assert "Nothing was scanned: no manifests were found." in text
    assert "<title>No findings · kpolicy</title>" in text


def test_a_long_overview_is_folded() -> None:
    many = tuple(finding(policy=f"policy-{n}", place=CONTAINER) for n in range(TOP + 3))
    text = render(Report(findings=many), context())
    assert "<summary>3 more</summary>" in text
    assert "<details>" not in render(Report(findings=many[:TOP]), context()).partition("</main>")[0]
