"""The html page as a person uses it, in a headless Chromium: filters, keys, themes, speed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromium
import pytest
from html_samples import HOSTILE_PARTS, everywhere
from report_samples import FULL, SPLIT, WEB, context, finding

from kpolicy.findings import Fix, Place, Related, Report, ResourceRef
from kpolicy.location import SourceLocation
from kpolicy.reporters.html import render

PROGRAM = chromium.find()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on PATH")

Opener = Callable[..., chromium.Browser]
MESSAGES = "[...document.querySelectorAll('#list .message')].map(e => e.textContent)"
OPEN_FIRST = """new Promise(done => {
  const first = document.querySelector('#list details');
  first.addEventListener('toggle', () => done(true));
  first.open = true;
})"""
#: Sets a control as a person does, and yields the milliseconds until the list is laid out.
SET = """((id, value) => {
  const control = document.getElementById(id);
  control.value = value;
  const start = performance.now();
  control.dispatchEvent(new Event('input', {bubbles: true}));
  document.body.offsetHeight;
  return performance.now() - start;
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    """One browser for the module, because it takes a second to start."""
    assert PROGRAM is not None
    made = chromium.Browser(PROGRAM, tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def opened(browser: chromium.Browser, tmp_path: Path) -> Opener:
    """Open a report as a page of its own, on a desktop in the light, with scripts."""

    def load(report: Report, fragment: str = "", **changes: Any) -> chromium.Browser:
        path = tmp_path / "report.html"
        path.write_text(render(report, context(**changes)), encoding="utf-8")
        browser.open(path.as_uri() + fragment)
        return browser

    browser.scripts(True)
    browser.size(1280, 900)
    browser.scheme("light")
    return load


def choose(page: chromium.Browser, control: str, value: str) -> list[str]:
    """Set a filter and return the messages that are listed then."""
    page.evaluate(f"{SET}({control!r}, {value!r})")
    return list(page.evaluate(MESSAGES))


def test_the_page_lists_what_was_found_and_asks_for_nothing_else(opened: Opener) -> None:
    page = opened(FULL)
    assert page.problems == []
    assert len(page.requests) == 1
    messages = page.evaluate(MESSAGES)
    assert len(messages) == len(FULL.findings)
    assert "Could not be evaluated: no such key: selector" in messages
    assert page.evaluate("document.getElementById('count').textContent") == "6 of 7 findings"


@pytest.mark.parametrize(
    ("control", "value", "count"),
    [
        ("pack", "sidecar", 1), ("policy", "latest-tag", 2), ("path", "apps/web", 5),
        ("path", "**/logger.*", 1), ("path", "logger.*", 0), ("path", "apps/*", 6),
        ("query", "HELPER web", 1), ("query", "team", 1), ("query", "log-shipper", 1),
        ("query", "no such words", 0), ("query", "e5", 1), ("group", "severity", 6),
    ],
)  # fmt: skip
def test_each_filter_leaves_what_it_names(
    opened: Opener, control: str, value: str, count: int
) -> None:
    page = opened(FULL)
    assert len(choose(page, control, value)) == count
    assert len(choose(page, control, "file" if control == "group" else "")) == 6


def test_severities_and_namespaces_are_chosen_and_cleared(opened: Opener) -> None:
    other = finding(resource=ResourceRef("v1", "Pod", "", "alone"), message="in no namespace")
    page = opened(Report(findings=(*FULL.findings, other)))
    assert choose(page, "namespace", "\0") == ["in no namespace"]
    page.evaluate("document.getElementById('clear').click()")
    assert len(page.evaluate(MESSAGES)) == 7
    page.evaluate("document.querySelector('#statuses input[value=error]').click()")
    shown = page.evaluate("[...document.querySelectorAll('#list .badge')].map(e => e.textContent)")
    assert set(shown) == {"warning", "info"}
    assert len(shown) == 3


def test_suppressed_findings_are_shown_when_asked_for(opened: Opener) -> None:
    page = opened(FULL)
    page.evaluate("document.querySelector('#statuses input[value=suppressed]').click()")
    assert len(page.evaluate(MESSAGES)) == 7


def test_passes_are_named_by_their_policy_when_asked_for(opened: Opener) -> None:
    passed = finding(outcome="pass", message="", fingerprint="p1")
    page = opened(Report(findings=(SPLIT, passed), policies=FULL.policies))
    assert page.evaluate("document.getElementById('count').textContent") == "1 of 2 results"
    page.evaluate("document.querySelector('#statuses input[value=pass]').click()")
    assert page.evaluate(MESSAGES) == [SPLIT.message, "Image with the tag latest"]


def test_a_policy_in_the_overview_filters_the_list(opened: Opener) -> None:
    page = opened(FULL)
    page.evaluate("document.querySelector('[data-policy=split-sidecar]').click()")
    assert page.evaluate(MESSAGES) == [SPLIT.message]


def test_an_address_brings_back_filters_and_findings(opened: Opener) -> None:
    page = opened(FULL, "#pack=sidecar")
    assert page.evaluate(MESSAGES) == [SPLIT.message]
    page = opened(FULL, "#id=b2")
    assert page.evaluate("document.activeElement.parentElement.open")
    assert SPLIT.message in page.evaluate("document.activeElement.textContent")
    choose(page, "query", "cpu")
    assert "query=cpu" in page.evaluate("location.hash")


def test_an_opened_finding_marks_its_line_and_draws_its_relations(opened: Opener) -> None:
    page = opened(Report(findings=(SPLIT,), policies=FULL.policies))
    page.evaluate(OPEN_FIRST)
    marks = page.evaluate("[...document.querySelectorAll('mark')].map(e => e.textContent)")
    assert marks == ["name: fluentd", "name: logs"]
    assert page.evaluate("document.querySelector('.hit').textContent").startswith("8")
    assert page.evaluate("document.querySelector('.graph').getAttribute('aria-label')") == (
        "StatefulSet shop/log-shipper: shared-volume-claim Deployment shop/web"
    )
    texts = page.evaluate("[...document.querySelectorAll('.graph text')].map(e => e.textContent)")
    assert texts == [
        "shared-volume-claim", "StatefulSet · logger.yaml:8", "shop/log-shipper",
        "Deployment · web.yaml:14", "shop/web",
    ]  # fmt: skip
    assert "Run the helper as a sidecar" in page.evaluate(
        "document.querySelector('.fix').textContent"
    )
    assert page.problems == []


def test_code_in_a_remediation_is_code_and_the_rest_is_text(opened: Opener) -> None:
    help_text = "Set `a: <b>`:\n```yaml\nspec:\n  x: 1 # <i>\n```\nor **not**."
    page = opened(Report(findings=(finding(remediation=help_text, fix=Fix(0, "", ())),)))
    page.evaluate(OPEN_FIRST)
    texts = "[...document.querySelectorAll('.fix code')].map(e => e.textContent)"
    assert page.evaluate(texts) == ["a: <b>", "spec:\n  x: 1 # <i>", "kpolicy scan --fix"]
    assert page.evaluate("document.querySelector('.fix').textContent").endswith(
        "or **not**.kpolicy scan --fix mends it."
    )


def test_the_page_is_used_by_keys_alone(opened: Opener) -> None:
    page = opened(FULL)
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.press("Enter")
    assert page.evaluate("document.activeElement.id") == "findings"
    page.press("Tab")
    assert page.evaluate("document.activeElement.id") == "query"
    for _ in range(30):
        page.press("Tab")
        if page.evaluate("document.activeElement.matches('#list summary')"):
            break
    page.press("ArrowDown", "ArrowDown", "ArrowUp", "Enter")
    assert page.evaluate(
        "document.activeElement === document.querySelectorAll('#list summary')[1]"
        " && document.activeElement.parentElement.open"
    )
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"


@pytest.mark.parametrize("text", HOSTILE_PARTS)
def test_hostile_text_runs_nothing_and_shows_as_it_is(opened: Opener, text: str) -> None:
    page = opened(everywhere(text), read_lines=lambda _: [text])
    page.evaluate("window.hits = 0; window.hit = () => { window.hits += 1; }")
    page.evaluate(OPEN_FIRST)
    assert page.evaluate(MESSAGES) == [text]
    assert page.evaluate("document.querySelector('mark').textContent") == text
    page.evaluate(
        "document.querySelectorAll('#list a, #list svg *')"
        ".forEach(e => e.dispatchEvent(new MouseEvent('click')))"
    )
    foreign = "document.querySelectorAll('img, iframe, [onclick], [onload], [onerror]').length"
    assert page.evaluate(foreign) == 0
    assert page.evaluate("window.hits") == 0
    assert not any(a.startswith("javascript") for a in page.evaluate(
        "[...document.links].map(a => a.href)"
    ))  # fmt: skip
    assert page.problems == []


def test_the_policy_stops_a_script_that_got_in_all_the_same(
    browser: chromium.Browser, tmp_path: Path
) -> None:
    text = render(FULL, context())
    path = tmp_path / "broken.html"
    path.write_text(text.replace("<main>", "<main><script>window.hits = 1</script>", 1))
    browser.scripts(True)
    browser.open(path.as_uri())
    assert browser.evaluate("window.hits === undefined")
    assert any("Content Security Policy" in problem for problem in browser.problems)


def test_without_scripts_the_findings_are_a_plain_list(opened: Opener) -> None:
    page = opened(FULL)
    assert "Related: Deployment" not in page.evaluate("document.body.innerText")
    page.scripts(False)
    page = opened(FULL)
    text = page.evaluate("document.body.innerText")
    for found in FULL.findings:
        assert found.message in text
    assert "Related: Deployment shop/web (shared-volume-claim)" in text
    assert "Group by" not in text
    assert page.problems == []


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_shows_it_without_scrolling_sideways(opened: Opener, width: int) -> None:
    long = Place(SourceLocation(f"{'directory' * 9}/web.yaml", 3, 1), "/spec" * 30)
    page = opened(replace(FULL, findings=(replace(SPLIT, place=long), *FULL.findings)))
    page.size(width, 800)
    page.evaluate(OPEN_FIRST)
    cut = page.evaluate(
        "[...document.querySelectorAll('#list *')].filter(e => e.clientWidth"
        " && e.scrollWidth > e.clientWidth && !e.closest('.excerpt')).map(e => e.outerHTML)"
    )
    assert cut == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.querySelector('.graph').getBoundingClientRect().right") < width


def test_the_theme_follows_the_system_until_it_is_chosen(opened: Opener) -> None:
    page = opened(FULL)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.scheme("dark")
    dark = page.evaluate(colour)
    assert light != dark
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(colour) == light
    page.evaluate("document.getElementById('theme').click()")
    page.scheme("light")
    assert page.evaluate(colour) == dark
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(colour) == light


#: Contrast of every visible text with what is behind it, as WCAG 2 computes it.
CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (c) => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const exempt = e.closest('svg, noscript, script, select:disabled');
    if (!own || exempt || !e.checkVisibility()) continue;
    const pair = [light(rgba(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) poor.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(opened: Opener, scheme: str) -> None:
    page = opened(FULL)
    page.scheme(scheme)
    page.evaluate("document.querySelector('#statuses input[value=suppressed]').click()")
    page.evaluate(
        "document.querySelectorAll('details').forEach(e => { e.open = true; });"
        "new Promise(done => setTimeout(done, 300))"
    )
    assert page.evaluate(CONTRAST) == []


def large(count: int) -> Report:
    """Return a report of `count` findings in an eighth as many files."""
    findings = []
    for n in range(count):
        team, app = f"team-{n // 8 % 23}", f"app-{n // 8}"
        peer = Related(
            ResourceRef("v1", "Service", team, app),
            Place(SourceLocation(f"apps/{team}/service.yaml", 4, 3)),
            "selected-by",
        )
        findings.append(
            finding(
                policy=f"policy-{n % 41}", pack=f"pack-{n % 7}", fingerprint=f"{n:016x}",
                severity=("error", "warning", "info")[n % 3],
                message=f'container "{app}" has no memory limit',
                resource=ResourceRef("apps/v1", "Deployment", team, app),
                place=Place(SourceLocation(f"apps/{team}/{app}.yaml", 1 + n % 15, 5), f"/{n}"),
                related=(peer,) if n % 3 else (),
            )
        )  # fmt: skip
    return Report(findings=tuple(findings))


def test_ten_thousand_findings_paint_within_a_second_and_filter_within_a_tenth(
    opened: Opener,
) -> None:
    page = opened(large(10_000), read_lines=lambda _: WEB.splitlines())
    (paint,) = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)"
    )
    assert paint < 1000
    assert page.evaluate("document.querySelectorAll('#list li').length") <= 200
    page.evaluate("new Promise(done => setTimeout(done, 500))")  # as long as nobody types
    times = [
        page.evaluate(f"{SET}({control!r}, {value!r})")
        for control, value in (
            ("query", "limit"), ("query", "memory app-77"), ("query", "not there"), ("query", ""),
            ("pack", "pack-3"), ("pack", ""), ("policy", "policy-40"), ("policy", ""),
            ("namespace", "team-3"), ("namespace", ""), ("path", "apps/team-2/**"), ("path", ""),
            ("group", "policy"), ("group", "file"),
        )
    ]  # fmt: skip
    assert statistics.median(times) < 100
    assert page.evaluate("document.getElementById('count').textContent") == "10,000 findings"


def test_every_finding_of_a_long_list_can_be_reached(opened: Opener) -> None:
    page = opened(large(1500), read_lines=None)
    for _ in range(20):
        if page.evaluate("document.getElementById('more').hidden"):
            break
        page.evaluate("document.getElementById('more').click()")
    assert page.evaluate("document.querySelectorAll('#list li').length") == 1500
    order = page.evaluate("[...document.querySelectorAll('#list details')].map(d => d.finding.id)")
    assert order == [f"{n:016x}" for n in range(1500)]
