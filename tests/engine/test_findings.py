# ruff: noqa: E501 -- the texts read better whole
"""Fingerprints and order: what makes two findings the same, and a report the same every time."""

from __future__ import annotations

from scan_kit import deployment, policy, run, write

from kpolicy.engine import ScanRequest, Selection, scan
from kpolicy.plugins.manager import make_toolbox

ITEM = """
    match: {kinds: [workloads]}
    validations:
      - forEach: {var: c, in: object.containers()}
        expression: "!c.name.startsWith('bad')"
"""
WHOLE = "validations: [{expression: 'false'}]"


def prints(root, *policies, **request):
    """Return the fingerprints by (resource, item)."""
    report = run(root, *policies, **request)
    return {(f.resource.name, f.item): f.fingerprint for f in report.findings}


def test_a_finding_keeps_its_fingerprint_when_it_moves(tmp_path):
    """Not part of it: path, line, the other items, message, severity."""
    one = write(tmp_path / "one", {"a.yaml": deployment("web", "x", "bad1", "bad2")})
    two = write(
        tmp_path / "two", {"deep/b.yaml": "# c\n\n" + deployment("web", "bad2", "z", "bad1")}
    )
    first = prints(one, policy("p", ITEM))
    changed = ITEM.replace("expression:", "message: changed\n        expression:")
    assert prints(two, policy("p", f"    severity: error{changed}")) == first
    assert len(set(first.values())) == 2


def test_whatever_names_the_finding_is_in_the_fingerprint(tmp_path):
    roots = {
        "same": deployment("web", "bad"),
        "name": deployment("other", "bad"),
        "namespace": deployment("web", "bad", namespace="x"),
        "kind": deployment("web", "bad").replace("Deployment", "DaemonSet"),
        "item": deployment("web", "bad1"),
    }
    found = {
        key: next(iter(prints(write(tmp_path / key, {"a.yaml": text}), policy("p", ITEM)).values()))
        for key, text in roots.items()
    }
    assert len(set(found.values())) == len(found)
    other = prints(tmp_path / "same", policy("q", ITEM))
    assert found["same"] not in other.values()


def test_the_version_of_the_api_is_not_in_the_fingerprint(tmp_path):
    one = write(tmp_path / "one", {"a.yaml": deployment("web", "a")})
    two = write(
        tmp_path / "two", {"a.yaml": deployment("web", "a").replace("apps/v1", "apps/v1beta1")}
    )
    assert prints(one, policy("p", WHOLE)) == prints(two, policy("p", WHOLE))


def test_findings_alike_are_told_apart_by_an_ordinal(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "bad", "bad")})
    report = run(root, policy("p", ITEM))
    assert len({f.fingerprint for f in report.findings}) == 2


def test_listing_passes_changes_no_fingerprint(tmp_path):
    root = write(
        tmp_path / "in", {"a.yaml": deployment("web", "bad"), "b.yaml": deployment("web", "x")}
    )
    some = run(root, policy("p", ITEM)).findings
    every = run(root, policy("p", ITEM), results_all=True).findings
    assert [f.outcome for f in every] == ["fail", "pass"]
    assert some[0].fingerprint == every[0].fingerprint


def test_the_order_is_path_line_policy(tmp_path):
    root = write(
        tmp_path / "in",
        {"b.yaml": deployment("web", "bad"), "a.yaml": deployment("api", "x", "bad1", "bad0")},
    )
    report = run(root, policy("z", ITEM), policy("a", WHOLE))
    found = [(f.place.location.path[-6:], f.place.location.line, f.policy) for f in report.findings]
    assert found == sorted(found)
    assert len(found) == 5


def test_counts(tmp_path):
    files = {
        "a.yaml": deployment("web", "bad") + "---\n" + deployment("api", "x") + "---\n# empty\n",
        "l.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n"
                  "- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n",
        "values.yaml": "a: 1\n",
        "broken.yaml": "a: [\n",
    }  # fmt: skip
    root = write(tmp_path / "in", files)
    summary = run(root, policy("p", ITEM)).summary
    assert (summary.documents, summary.resources, summary.policies) == (3, 4, 1)
    assert (summary.evaluations, summary.invalid, summary.suppressed) == (4, 1, 0)
    assert summary.skipped == {"not-kubernetes": 1}


def test_an_item_that_cel_made_is_named_by_the_place_it_points_at(tmp_path):
    """Of two mounts of two containers each keeps its fingerprint when the other is mended."""
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n"
        "    - {{name: c, volumeMounts: [{first}{{name: h, mountPath: /h}}]}}\n"
        "    - {{name: d, volumeMounts: [{{name: h, mountPath: /h}}]}}\n"
        "  volumes: [{{name: h, hostPath: {{path: /srv}}}}, {{name: g, hostPath: {{path: /g}}}}]\n"
    )

    def fingerprints_of(first):
        (tmp_path / "pod.yaml").write_text(pod.format(first=first))
        report = scan(
            ScanRequest(
                targets=(str(tmp_path),),
                selection=Selection(select=("writable-host-mount",)),
                isolated=True,
                jobs=1,
                cache=False,
            ),
            make_toolbox(entry_points=False),
        )
        return [(f.item, f.fingerprint) for f in report.findings]

    one = fingerprints_of("")
    more = fingerprints_of("{name: g, mountPath: /g}, ")
    assert len(one) == 2 and len(more) == 3
    assert set(one) < set(more)
    assert [item for item, _ in more] == ["g", "h", "h"]
