# ruff: noqa: E501 -- the texts read better whole
"""Policies that look at other resources: where the finding stands, whom it names, and in any process."""

from __future__ import annotations

import os

import pytest
from scan_kit import at, deployment, policy, run, service, told, write

from kpolicy.engine.speculate import GuessContext

CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\n"


def mounting(name, claim="data", kind="Deployment"):
    """Return a workload that declares a claim among its volumes, on line 8."""
    return f"""\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}, namespace: shop}}
spec:
  template:
    spec:
      volumes:
        - {{name: v, persistentVolumeClaim: {{claimName: {claim}}}}}
      containers: [{{name: {name}, image: x}}]
"""


PEERS = policy(
    "peers",
    """
    match: {kinds: [Deployment]}
    filters: [{name: set, expression: item.kind == 'StatefulSet'}]
    validations:
      - forEach: {var: peer, in: "object.related('shared-volume-claim', 'set')"}
        expression: "false"
        messageExpression: "'shares with ' + peer.metadata.name"
    """,
)
REACHED = policy(
    "reached",
    """
    match: {kinds: [Service]}
    validations:
      - expression: "object.isRelated('selects')"
        message: selects nothing
        at: object.spec.selector
    """,
)


def test_an_item_that_is_another_resource_is_related_and_both_stand_at_their_volume(tmp_path):
    root = write(
        tmp_path / "in",
        {
            "app.yaml": mounting("app"),
            "db.yaml": mounting("db", kind="StatefulSet"),
            "c.yaml": CLAIM,
        },
    )
    (finding,) = run(root, PEERS).findings
    assert finding.message == "shares with db"
    assert at(finding) == ("app.yaml", 8, 11)
    assert finding.place.pointer == "/spec/template/spec/volumes/0"
    (related,) = finding.related
    assert (related.resource.name, related.relation) == ("db", "shared-volume-claim")
    assert related.place.location.line == 8
    assert related.place.pointer == "/spec/template/spec/volumes/0"


def test_a_related_expression_names_further_resources(tmp_path):
    spec = """
        match: {kinds: [Deployment]}
        validations:
          - expression: "!object.isRelated('mounts-claim')"
            related: object.related('mounts-claim')
    """
    root = write(tmp_path / "in", {"a.yaml": mounting("app"), "c.yaml": CLAIM})
    (finding,) = run(root, policy("p", spec)).findings
    assert [(r.resource.kind, r.relation) for r in finding.related] == [
        ("PersistentVolumeClaim", "mounts-claim")
    ]


def test_a_missing_target_stands_where_it_is_named_and_says_how_certain_it_is(tmp_path):
    spec = """
        match: {kinds: [Deployment]}
        validations:
          - forEach: {var: gap, in: object.missing('mounts-claim')}
            expression: "false"
            messageExpression: "'no ' + gap.kind + ' ' + gap.name"
    """
    root = write(tmp_path / "in", {"a.yaml": mounting("app", "gone")})
    (finding,) = run(root, policy("p", spec)).findings
    assert finding.message == "no PersistentVolumeClaim gone"
    assert at(finding)[1] == 8
    assert finding.certainty == "absent"
    write(root, {"broken.yaml": "kind: [\n"})
    (finding,) = run(root, policy("p", spec)).findings
    assert finding.certainty == "unknowable"


def test_a_process_learns_once_which_guesses_are_worth_it(tmp_path, monkeypatch):
    """A policy turns on the answer: after some resources the other guess is left out, for good."""
    spec = """
        match: {kinds: [Deployment]}
        validations:
          - expression: "object.isRelated('shared-volume-claim')"
    """
    files = {f"{n}.yaml": mounting(f"n{n}", f"c{n % 40}") for n in range(80)}
    root = write(tmp_path / "in", files)
    alone = run(root, policy("p", spec), jobs=1)
    guessed = []
    begin = GuessContext.begin
    monkeypatch.setattr(
        GuessContext, "begin", lambda self, *all_: guessed.append(all_[2]) or begin(self, *all_)
    )
    monkeypatch.setattr("kpolicy.engine.cores._WORTH_A_PROCESS", 1)
    monkeypatch.setattr("kpolicy.engine.workers._start", lambda *_: None)
    together = run(root, policy("p", spec), jobs=2)
    assert together.findings == alone.findings
    assert 0 < guessed.count(False) <= 20


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_plain_file_is_not_read_again_for_the_place_of_a_join_finding(
    tmp_path, monkeypatch, jobs
):
    spec = """
        match: {kinds: [Deployment]}
        validations:
          - expression: "!object.isRelated('shared-volume-claim')"
            message: shares
            at: object.metadata.name
    """
    files = {f"{n}.yaml": mounting(f"n{n}") for n in range(8)}
    root = write(tmp_path / "in", files)
    monkeypatch.setattr("kpolicy.manifests.places.locate_many", None)
    findings = run(root, policy("p", spec), jobs=jobs).findings
    assert [at(finding)[1] for finding in findings] == [3] * 8


def test_each_process_count_gives_the_same_report(tmp_path, monkeypatch):
    """Bodies stay in the workers and come back only where a policy looks: nobody can tell."""
    from kpolicy.engine import cores

    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    local = policy(
        "local",
        """
        match: {kinds: [workloads]}
        validations:
          - forEach: {var: c, in: object.containers()}
            expression: c.image != 'x'
        """,
    )
    broad = policy(
        "broad",
        """
        match: {kinds: [Service]}
        validations:
          - expression: snapshot.list('apps/v1', 'Deployment').size() < 3
          - expression: "namespaceObject != null"
            message: no namespace
        """,
    )
    files = {}
    for number in range(12):
        name = f"n{number}"
        files[f"{name}/a.yaml"] = mounting(name, f"c{number % 5}")
        files[f"{name}/s.yaml"] = service(name, name if number % 2 else "nobody")
        files[f"{name}/d.yaml"] = deployment(f"d{name}", "x") + "---\n" + mounting(
            f"set{name}", f"c{number % 5}", "StatefulSet")  # fmt: skip
    files["bad.yaml"] = "a: [\n"
    files["values.yaml"] = "a: 1\n"
    root = write(tmp_path / "in", files)
    policies = (PEERS, REACHED, local, broad)
    for everything in (False, True):
        reports = [run(root, *policies, jobs=jobs, results_all=everything) for jobs in (1, 2, 3, 5)]
        first = reports[0]
        assert len({f.policy for f in first.findings}) == 4
        for other in reports[1:]:
            assert other.findings == first.findings
            assert other.summary == first.summary
            assert other.invalid == first.invalid


def test_a_worker_that_dies_loses_nothing(tmp_path, monkeypatch):
    from kpolicy.engine import cores, workers

    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    files = {f"{n}.yaml": mounting(f"n{n}") for n in range(20)}
    root = write(tmp_path / "in", files)
    alone = run(root, PEERS, REACHED, jobs=1)
    monkeypatch.setattr(workers, "_work", lambda *_: __import__("os")._exit(9))
    assert run(root, PEERS, REACHED, jobs=3).findings == alone.findings


@pytest.mark.parametrize("written", [0, 3, 40])
def test_a_worker_that_dies_while_it_sends_loses_nothing(tmp_path, monkeypatch, written):
    """What it sent whole is taken; what it began to send, and did not, is done here."""
    from kpolicy.engine import cores, outbox

    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    files = {f"{n}.yaml": mounting(f"n{n}") for n in range(60)}
    root = write(tmp_path / "in", files)
    alone = run(root, PEERS, REACHED, jobs=1)
    put = outbox.Outbox.put
    sent = 0

    def put_and_die(self, message):
        nonlocal sent
        sent += 1
        if sent == 2:
            os.write(self._sender.fileno(), (len(message).to_bytes(4, "big") + message)[:written])
            os._exit(9)
        put(self, message)

    monkeypatch.setattr(outbox.Outbox, "put", put_and_die)
    for jobs in (2, 3):
        assert run(root, PEERS, REACHED, jobs=jobs).findings == alone.findings


def test_a_cluster_scoped_custom_kind_is_filed_as_its_definition_says(tmp_path, monkeypatch):
    """Workers do not know the definition, which may stand in another file."""
    from kpolicy.engine import cores

    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    definition = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: realms.example.com}
spec: {group: example.com, scope: Cluster, names: {kind: Realm, plural: realms}}
"""
    thing = "apiVersion: example.com/v1\nkind: Realm\nmetadata: {name: r}\n"
    spec = """
        match: {kinds: [Realm]}
        validations:
          - expression: "false"
            messageExpression: "'<' + object.effectiveNamespace() + '>' + snapshot.resolve('example.com/v1', 'Realm', '', 'r')"
    """
    files = {f"x{n}.yaml": mounting(f"n{n}") for n in range(8)}
    root = write(tmp_path / "in", {"crd.yaml": definition, "thing.yaml": thing, **files})
    for jobs in (1, 3):
        assert told(run(root, policy("p", spec), jobs=jobs)) == ["<>resolved"]


@pytest.mark.parametrize("everything", [False, True])
def test_what_goes_by_the_scope_of_such_a_kind_is_filed_and_evaluated_anew(
    tmp_path, monkeypatch, everything
):
    """Its objects, those that they control, and answers for which nothing else was asked."""
    from kpolicy.engine import cores, lazy

    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    definition = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: realms.example.com}
spec: {group: example.com, scope: Cluster, names: {kind: Realm, plural: realms}}
"""
    realm = "apiVersion: example.com/v1\nkind: Realm\nmetadata: {name: r}\n"
    owned = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  namespace: a
  ownerReferences: [{apiVersion: example.com/v1, kind: Realm, name: r, uid: u, controller: true}]
"""
    controlled = """
        match: {kinds: [ConfigMap, Realm]}
        validations:
          - expression: "!object.isRelated('controlled-by')"
          - expression: "!object.isRelated('controls')"
    """
    early = """
        match: {kinds: [Realm]}
        validations:
          - expression: object.effectiveNamespace() == 'default' || object.isRelated('controlled-by')
    """
    others = {f"x{n}.yaml": mounting(f"n{n}") for n in range(8)}
    files = {"z-crd.yaml": definition, "realm.yaml": realm, "owned.yaml": owned, **others}
    root = write(tmp_path / "in", files)
    policies = (PEERS, policy("controlled", controlled), policy("early", early))
    alone = run(root, *policies, jobs=1, results_all=everything)
    read = []
    fetcher = lazy.Library._bodies
    monkeypatch.setattr(
        lazy.Library, "_bodies", lambda self, path: read.append(path) or fetcher(self, path)
    )
    together = run(root, *policies, jobs=3, results_all=everything)
    fails = {
        (f.policy, f.resource.name, f.validation) for f in alone.findings if f.outcome == "fail"
    }
    assert {("controlled", "owned", 0), ("controlled", "r", 1), ("early", "r", 0)} <= fails
    assert together.findings == alone.findings
    assert together.summary == alone.summary
    if not everything:
        # Bodies that have nothing to do with it are not read again, the definition's neither.
        assert {path.rpartition("/")[2] for path in read} <= {"realm.yaml", "owned.yaml"}


@pytest.mark.parametrize("word", ["tree", "directory", "file"])
def test_scope_words_divide_the_input(tmp_path, word):
    files = {"one/app.yaml": mounting("app"), "one/db.yaml": mounting("db", kind="StatefulSet"),
             "two/db.yaml": mounting("db2", kind="StatefulSet")}  # fmt: skip
    root = write(tmp_path / "in", files)
    expected = {"tree": 2, "directory": 1, "file": 0}[word]
    assert len(run(root, PEERS, scope=word).findings) == expected


def test_scope_globs_start_at_the_configuration(tmp_path):
    """dev's application and prod's helper do not belong together; the base is shared by nobody."""
    from kpolicy.config.model import Config

    files = {}
    for cluster in ("dev", "prod"):
        files[f"clusters/{cluster}/app/a.yaml"] = mounting("app")
        files[f"clusters/{cluster}/db/b.yaml"] = mounting("db", kind="StatefulSet")
    root = write(tmp_path / "in", files)
    config = Config(root=str(root), scopes=("clusters/*",))
    report = run(root, PEERS, config=config)
    found = [(f.place.location.path.split("/")[-3], f.scope) for f in report.findings]
    assert found == [("dev", "clusters/dev"), ("prod", "clusters/prod")]
    assert report.notes == ()


def test_copies_in_several_directories_are_noted_once_and_not_joined_with_each_other(tmp_path):
    both = mounting("same") + "---\n" + mounting("same", kind="StatefulSet")
    root = write(tmp_path / "in", {"dev/a.yaml": both, "prod/a.yaml": both})
    report = run(root, PEERS)
    (note,) = report.notes
    assert "2 resources are defined in several directories" in note.message
    assert "`scopes:`" in note.message


def test_a_template_that_was_not_rendered_makes_a_miss_unknowable(tmp_path):
    spec = """
        match: {kinds: [Deployment]}
        validations:
          - forEach: {var: gap, in: object.missing('mounts-claim')}
            expression: "false"
    """
    template = "kind: PersistentVolumeClaim\nmetadata:\n  name: {{ .Values.name }}\n"
    root = write(tmp_path / "in", {"a.yaml": mounting("app", "gone"), "t.yaml": template})
    (finding,) = run(root, policy("p", spec)).findings
    assert finding.certainty == "unknowable"


def test_what_the_configuration_says_exists_outside_is_no_miss(tmp_path):
    from kpolicy.config.model import Config, OutsideRule

    spec = """
        match: {kinds: [Deployment]}
        validations:
          - forEach: {var: gap, in: object.missing('mounts-claim')}
            expression: "false"
    """
    root = write(tmp_path / "in", {"a.yaml": mounting("app", "ext-data")})
    rule = OutsideRule(kinds=("PersistentVolumeClaim",), names=("ext-*",))
    assert run(root, policy("p", spec), config=Config(outside=(rule,))).findings == ()
    rule = OutsideRule(kinds=("PersistentVolumeClaim",), namespaces=("other",))
    assert len(run(root, policy("p", spec), config=Config(outside=(rule,))).findings) == 1


def test_where_forking_is_unsafe_workers_make_their_own_plan(tmp_path, monkeypatch):
    """With a second thread alive, processes are spawned: they get a factory, not this process."""
    import threading
    import time

    from kpolicy.config.model import Config, Override
    from kpolicy.engine import cores, workers

    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    files = {f"{n}.yaml": mounting(f"n{n}", f"c{n % 3}") for n in range(9)}
    files |= {f"s{n}.yaml": mounting(f"s{n}", f"c{n % 3}", "StatefulSet") for n in range(9)}
    root = write(tmp_path / "in", files)
    config = Config(root=str(root), severity={"peers": "error"}, params={},
                    overrides=(Override(("0.yaml",), severity={"peers": "info"}),))  # fmt: skip
    alone = run(root, PEERS, REACHED, jobs=1, config=config)
    seen = []
    results = workers._Worker.results
    monkeypatch.setattr(
        workers._Worker, "results", lambda self: seen.append(results(self)) or seen[-1]
    )
    here = workers.LocalEvaluator.over

    def slowly(*args):
        """Leave something for the worker, which begins with its imports."""
        time.sleep(0.2)
        return here(*args)

    monkeypatch.setattr(workers.LocalEvaluator, "over", slowly)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        together = run(root, PEERS, REACHED, jobs=2, config=config)
    finally:
        done.set()
        thread.join()
    assert together.findings == alone.findings
    assert len(alone.findings) == 27
    assert [bool(found) for found in seen] == [True]
