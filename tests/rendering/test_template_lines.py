"""Which line of a template a rendered field comes from: no program is needed to know."""

from __future__ import annotations

import textwrap

import pytest

from kpolicy.frozen import FrozenDict, freeze
from kpolicy.rendering.template_lines import find_line, lines_of

TEMPLATE = textwrap.dedent(
    """\
    {{- /* A comment
    of two lines */ -}}
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {{ include "web.fullname" . }}
      labels:
        {{- include "web.labels" . | nindent 4 }}
    spec:
      {{- if .Values.replicas }}
      replicas: {{ .Values.replicas }}
      {{- end }}
      template:
        spec:
          containers:
          {{- if .Values.debug }}
          - name: debug
            image: busybox
          {{- end }}
          - name: web
            image: "{{ .Values.image }}:{{ .Values.tag }}"
            args: ["--port", "80"]
            securityContext:
              {{- toYaml .Values.securityContext | nindent 12 }}
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: {{ include "web.fullname" . }}
    spec:
      ports:
        - port: {{ .Values.port }}
    """
)

WEB = freeze(
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "template": {
                "spec": {
                    "containers": [
                        {"name": "web", "image": "nginx:1", "securityContext": {"privileged": True}}
                    ]
                }
            },
        },
    }
)
SERVICE = freeze({"kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 1}]}})
CONTAINER = "spec/template/spec/containers/0"


@pytest.mark.parametrize(
    ("body", "pointer", "rendered", "line", "exact"),
    [
        (WEB, "metadata/name", "  name: web", 6, True),
        (WEB, "spec/replicas", "  replicas: 2", 11, True),
        # The container is the second in the template and the first of what is rendered.
        (WEB, CONTAINER, "      - name: web", 20, True),
        (WEB, f"{CONTAINER}/image", "        image: nginx:1", 21, True),
        # What an action writes stands below the line that is above it.
        (WEB, "metadata/labels/app", "    app: web", 7, False),
        (WEB, f"{CONTAINER}/securityContext/privileged", "privileged: true", 23, False),
        (WEB, f"{CONTAINER}/resources", "", 20, False),
        # Another document of the same template.
        (SERVICE, "spec/ports/0/port", "  - port: 1", 32, True),
        (SERVICE, "metadata/name", "  name: web", 29, True),
    ],
)
def test_a_field_leads_to_its_line(
    body: FrozenDict, pointer: str, rendered: str, line: int, exact: bool
) -> None:
    found = find_line(lines_of(TEMPLATE), body, pointer.split("/"), rendered)
    assert found is not None
    assert (found[0].number, found[1]) == (line, exact)


def test_the_kind_and_the_name_choose_among_documents() -> None:
    template = "kind: A\nmetadata:\n  name: one\nx: 1\n---\nkind: A\nmetadata:\n  name: two\nx: 1\n"
    body = freeze({"kind": "A", "metadata": {"name": "two"}, "x": 1})
    found = find_line(lines_of(template), body, ["x"], "x: 1")
    assert found is not None
    assert found[0].number == 9


def test_a_template_of_actions_alone_has_no_lines() -> None:
    assert find_line(lines_of('{{ include "lib.deployment" . }}\n'), WEB, ["kind"], "") is None


def test_a_list_may_stand_as_far_left_as_its_key() -> None:
    lines = lines_of("a:\n- b: 1\n- b: 2\nc: 3\n")
    assert [(line.number, line.path) for line in lines] == [
        (1, ("a",)), (2, ("a", 0)), (2, ("a", 0, "b")), (3, ("a", 1)), (3, ("a", 1, "b")),
        (4, ("c",)),
    ]  # fmt: skip


def test_a_value_has_its_column() -> None:
    (line,) = lines_of("  image: {{ .Values.image }}\n")
    assert (line.column, line.value_column) == (3, 10)
