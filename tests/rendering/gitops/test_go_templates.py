"""Go's templates, as ApplicationSets use them."""

from __future__ import annotations

import pytest

from kpolicy.rendering.gitops.go_templates import TemplateError, render

PARAMETERS = {
    "cluster": "dev",
    "path": {"path": "apps/Web_1", "basename": "Web_1", "segments": ["apps", "Web_1"]},
    "labels": {"team-name": "red"},
    "on": True,
    "off": False,
    "empty": "",
    "count": 3,
    "ratio": 2.0,
    "list": ["a", "b"],
}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("no action", "no action"),
        ("{{.cluster}}-guestbook", "dev-guestbook"),
        ("{{ .path.basename }}", "Web_1"),
        ("{{ $.path.path }}", "apps/Web_1"),
        ("{{index .path.segments 1}}", "Web_1"),
        ('{{index .labels "team-name"}}', "red"),
        ("{{ .count }} {{ .ratio }} {{ .on }} {{ .list }}", "3 2 true [a b]"),
        ("{{ .path.basename | normalize }}", "web-1"),
        ("{{ normalize .path.basename | upper }}", "WEB-1"),
        ('{{ .missing | default "x" }}', "x"),
        ('{{ default "x" .empty }}', "x"),
        ('{{.cluster}}{{dig "nameSuffix" "" .}}', "dev"),
        ('{{ dig "path" "basename" "none" . }}', "Web_1"),
        ("{{if .on}}yes{{else}}no{{end}}", "yes"),
        ("{{if .off}}yes{{else if .on}}second{{else}}no{{end}}", "second"),
        ('{{ if eq .cluster "dev" "test" }}a{{ end }}', "a"),
        ('{{ if and .on (not .off) (ne .cluster "prod") }}a{{ end }}', "a"),
        ("{{ with .path }}{{ .basename }}{{ end }}", "Web_1"),
        ("{{ range .list }}[{{ . }}]{{ end }}", "[a][b]"),
        ("{{ range .none }}x{{ else }}none{{ end }}", "none"),
        ("a {{- .cluster -}} b", "adevb"),
        ("a {{- /* a comment */ -}} b", "ab"),
        ('{{ printf "%s-%02d" .cluster .count }}', "dev-03"),
        ("{{ base .path.path }} {{ dir .path.path }}", "Web_1 apps"),
        ('{{ (index .path.segments 0) | replace "a" "A" }}', "Apps"),
        ('{{ splitList "/" .path.path | last }}', "Web_1"),
        ("{{ `raw {` }}", "raw {"),
        ("{{ .labels | toJson }}", '{"team-name":"red"}'),
        ("{{ cat .path.path | slugify 6 }}", "apps"),
        ("{{ (.path).basename }}", "Web_1"),
        ("{{ .missing }}", "<no value>"),
        ("{{ $x := .path }}{{ $x.basename }}/{{ $x.segments | len }}", "Web_1/2"),
        ("{{ $n := 1 }}{{ if .on }}{{ $n = 2 }}{{ end }}{{ $n }}", "2"),
        ("{{ $n := 1 }}{{ if .on }}{{ $n := 2 }}{{ $n }}{{ end }}{{ $n }}", "21"),
        ("{{ range $i, $e := .list }}{{ $i }}{{ $e }}{{ $.cluster }};{{ end }}", "0adev;1bdev;"),
        ("{{ range $e := .list }}{{ $e }}{{ end }}", "ab"),
        ("{{ range $k, $v := .labels }}{{ $k }}={{ $v }}{{ end }}", "team-name=red"),
        ("{{ with $x := .path }}{{ $x.basename }}{{ .path }}{{ end }}", "Web_1apps/Web_1"),
        ("{{ if $x := .empty }}a{{ else }}[{{ $x }}]{{ end }}", "[]"),
        (
            '{{ define "n" }}<{{ . }}>{{ end }}{{ template "n" .cluster }}{{ template "n" 3 }}',
            "<dev><3>",
        ),
        ('{{ define "n" }}{{ $ }}{{ end -}} {{ template "n" .count }}', "3"),
        ('{{ block "b" .path }}{{ .basename }}{{ end }}', "Web_1"),
    ],
)
def test_a_template_is_carried_out(text: str, made: str) -> None:
    assert render(text, PARAMETERS) == made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ .missing }}", 'no "missing"'),
        ("{{ .path.missing }}", 'no "missing"'),
        ("{{ nonsense .cluster }}", 'function "nonsense" is not known'),
        ("{{ if .on }}", "lacks its"),
        ("{{ end }}", "without its beginning"),
        ("{{ .cluster | }}", "empty"),
        ("{{ (.cluster }}", "not closed"),
        ("{{ $x }}", "no variable \\$x"),
        ("{{ $x = 1 }}", "no variable \\$x"),
        ("{{ if .on }}{{ $x := 1 }}{{ end }}{{ $x }}", "no variable \\$x"),
        ("{{ $x, $y := .list }}", "by range alone"),
        ("{{ template `none` . }}", 'no template "none"'),
        ("{{ template . }}", "needs a name in quotes"),
        ("{{ define `a` }}x", "lacks its"),
        ("{{ define `a` }}{{ template `a` . }}{{ end }}{{ template `a` . }}", "too often"),
        (
            "{{ define `a` }}"
            + "{{ range $.list }}" * 20
            + "x"
            + "{{ end }}" * 21
            + "{{ template `a` . }}",
            "more steps",
        ),
        ("{{ index .list 9 }}", "out of range"),
        ('{{ "text" .cluster }}', "is no function"),
        ("{{ range .cluster }}{{ end }}", "cannot go over"),
        ('{{ printf "%s" }}', "too few arguments"),
        ("{{ lt .cluster 1 }}", "lt: "),
    ],
)
def test_what_cannot_be_carried_out_says_why(text: str, why: str) -> None:
    with pytest.raises(TemplateError, match=why):
        render(text, PARAMETERS, strict=True)
