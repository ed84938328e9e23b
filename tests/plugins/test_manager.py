"""The plugin host: plugins are found, refused with a clear word, and never take the scan down."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpolicy.errors import Problem
from kpolicy.findings import Finding, Place, ResourceRef
from kpolicy.hookspecs import Hooks, hookimpl
from kpolicy.location import SourceLocation
from kpolicy.plugins.discovery import _may_have_plugins
from kpolicy.plugins.manager import BUILTIN, PluginHost, make_plugin_manager, make_toolbox
from kpolicy.reporters.model import Reporter

Install = Callable[..., str]

HOOKS = sorted(name for name in vars(Hooks) if name.startswith("kpolicy_"))

#: How each hook is asked, and what it gives without any plugin but the built-ins.
ASK: dict[str, Callable[[PluginHost], Any]] = {
    "kpolicy_workload_kinds": PluginHost.workload_kinds,
    "kpolicy_cel_libraries": PluginHost.cel_libraries,
    "kpolicy_relations": PluginHost.relations,
    "kpolicy_policy_formats": PluginHost.policy_formats,
    "kpolicy_policy_packs": PluginHost.policy_packs,
    "kpolicy_policies": PluginHost.policies,
    "kpolicy_enforced_policies": PluginHost.enforced_policies,
    "kpolicy_sources": PluginHost.sources,
    "kpolicy_process_findings": lambda host: host.process_findings((finding(),)),
    "kpolicy_reporters": PluginHost.reporters,
}

#: Code that gives one good thing for each hook, and the name of that thing.
GOOD: dict[str, tuple[str, str]] = {
    "kpolicy_workload_kinds": (
        "from kpolicy.snapshot.kinds import WorkloadKind\nGIVEN = WorkloadKind('acme.dev', 'App')",
        "App",
    ),
    "kpolicy_cel_libraries": (
        "from kpolicy.cel.declarations import Library\nGIVEN = Library('acme')",
        "acme",
    ),
    "kpolicy_relations": (
        "from kpolicy.relations.model import Relation, Side\n"
        "SIDE = Side(('*',), lambda resource, kinds: ())\nGIVEN = Relation('acme', SIDE, SIDE)",
        "acme",
    ),
    "kpolicy_policy_formats": (
        "from kpolicy.policy.formats import Loaded, PolicyFormat\n"
        "GIVEN = PolicyFormat('acme', 'acme.dev/v1', ('Rule',), lambda document: Loaded())",
        "acme",
    ),
    "kpolicy_policy_packs": (
        "import pathlib\nfrom kpolicy.policy.packs import PolicyPack\n"
        "GIVEN = PolicyPack('acme', pathlib.Path('policies'))",
        "acme",
    ),
    "kpolicy_policies": (
        "from kpolicy.policy.model import Policy\n"
        "GIVEN = Policy('acme', check=lambda resource, snapshot, params: ())",
        "acme",
    ),
    "kpolicy_enforced_policies": ("GIVEN = 'acme'", "acme"),
    "kpolicy_sources": (
        "from kpolicy.manifests.model import Discovery\n"
        "class Registry:\n"
        "    name = 'acme'\n"
        "    def accepts(self, target): return target.startswith('acme:')\n"
        "    def discover(self, target, options): return Discovery()\n"
        "GIVEN = Registry()",
        "acme",
    ),
    "kpolicy_reporters": (
        "from kpolicy.reporters.model import Reporter\n"
        "GIVEN = Reporter('acme', lambda report, context: 'acme')",
        "acme",
    ),
}
LISTS = sorted(GOOD)


def plugin(hook: str, body: str, prelude: str = "") -> str:
    """Return a plugin's code that implements one hook with `body`."""
    arguments = "findings" if hook == "kpolicy_process_findings" else ""
    return (
        f"from kpolicy import hookimpl\n{prelude}\n\n@hookimpl\ndef {hook}({arguments}):\n"
        + textwrap.indent(body, "    ")
        + "\n"
    )


def finding(**changes: Any) -> Finding:
    """Return a finding to post-process."""
    values: dict[str, Any] = {
        "policy": "latest-tag", "pack": "", "severity": "error", "outcome": "fail", "message": "m",
        "resource": ResourceRef("v1", "Pod", "", "p"),
        "place": Place(SourceLocation("a.yaml", 1, 1)), "fingerprint": "f",
    }  # fmt: skip
    return Finding(**(values | changes))


def names(items: Any) -> list[str]:
    """Return what items are called."""
    keys = ("name", "id", "policy", "kind")
    return [next((getattr(i, key) for key in keys if hasattr(i, key)), i) for i in items]


def only_problem(host: PluginHost) -> Problem:
    """Return the one problem of a host."""
    assert len(host.problems) == 1, host.problems
    return host.problems[0]


def test_every_hook_is_exercised_here() -> None:
    """A new hook needs a way to be asked, and an example that is good."""
    assert sorted(ASK) == HOOKS
    assert sorted([*GOOD, "kpolicy_process_findings"]) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_builtins_answer_every_hook_without_problems(hook: str) -> None:
    host = make_plugin_manager(entry_points=False)
    ASK[hook](host)
    assert host.problems == []
    assert list(host.plugins) == [BUILTIN]


@pytest.mark.parametrize("hook", LISTS)
def test_a_plugin_adds_to_each_hook(hook: str, install: Install) -> None:
    code, name = GOOD[hook]
    install(plugin(hook, "return [GIVEN]", code))
    host = make_plugin_manager()
    assert name in names(ASK[hook](host))
    assert host.problems == []
    assert host.owner(hook, name) == "acme" or hook == "kpolicy_workload_kinds"


@pytest.mark.parametrize("hook", LISTS)
def test_a_generator_serves_as_well_as_a_list(hook: str, install: Install) -> None:
    code, name = GOOD[hook]
    install(plugin(hook, "yield GIVEN", code))
    assert name in names(ASK[hook](make_plugin_manager()))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_raises_is_named_and_costs_only_itself(hook: str, install: Install) -> None:
    without = names(ASK[hook](make_plugin_manager(entry_points=False)))
    install(plugin(hook, "raise RuntimeError('no luck')"))
    host = make_plugin_manager()
    assert names(ASK[hook](host)) == without
    said = str(only_problem(host))
    assert f'plugin "acme", hook {hook}: raised RuntimeError: no luck' in said


@pytest.mark.parametrize("hook", LISTS)
def test_a_generator_that_raises_halfway_is_named(hook: str, install: Install) -> None:
    code, name = GOOD[hook]
    install(plugin(hook, "yield GIVEN\nraise RuntimeError('no luck')", code))
    host = make_plugin_manager()
    assert name not in names(ASK[hook](host))
    assert hook in str(only_problem(host))


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("value", ["42", "'text'", "[42]", "{'a': 1}", "[None]"])
def test_a_wrong_type_is_named(hook: str, value: str, install: Install) -> None:
    install(plugin(hook, f"return {value}"))
    host = make_plugin_manager()
    ASK[hook](host)
    said = str(only_problem(host))
    assert f'plugin "acme", hook {hook}: returned a' in said
    assert "expected" in said


@pytest.mark.parametrize("hook", HOOKS)
def test_none_and_nothing_are_fine(hook: str, install: Install) -> None:
    install(plugin(hook, "return None"))
    host = make_plugin_manager()
    ASK[hook](host)
    assert host.problems == []


@pytest.mark.parametrize("hook", [hook for hook in LISTS if hook != "kpolicy_enforced_policies"])
def test_a_duplicate_name_is_refused_and_the_first_stays(hook: str, install: Install) -> None:
    code, name = GOOD[hook]
    install(plugin(hook, "return [GIVEN]", code), "acme")
    install(plugin(hook, "return [GIVEN]", code), "zeta")
    host = make_plugin_manager()
    found = names(ASK[hook](host))
    assert found.count(name) == 1
    said = str(only_problem(host))
    assert f'plugin "zeta", hook {hook}: ' in said
    assert 'already defined by plugin "acme"' in said


def test_two_plugins_may_enforce_one_policy(install: Install) -> None:
    hook = "kpolicy_enforced_policies"
    for name in ("acme", "zeta"):
        install(plugin(hook, "return ['latest-tag']"), name)
    host = make_plugin_manager()
    assert (host.enforced_policies(), host.problems) == (("latest-tag",), [])


def test_a_plugin_cannot_replace_a_builtin(install: Install) -> None:
    code = "from kpolicy.reporters.model import Reporter\nGIVEN = Reporter('json', str)"
    install(plugin("kpolicy_reporters", "return [GIVEN]", code))
    host = make_plugin_manager()
    by_name = {r.name: r for r in host.reporters()}
    assert by_name["json"].render is not str
    assert '"json" is already defined by plugin "kpolicy"' in str(only_problem(host))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('at import')", "cannot be imported: ValueError: at import"),
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named(code: str, said: str, install: Install) -> None:
    install(code)
    host = make_plugin_manager()
    problem = str(only_problem(host))
    assert 'plugin "acme" (acme-dist 1.2.3)' in problem
    assert said in problem
    assert host.plugins["acme"].status == "failed"
    assert host.reporters()


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ("2", "needs plugin API 2; this kpolicy has 1"),
        ("0", "needs plugin API 0; this kpolicy has 1"),
        ("'one'", "needs plugin API 'one'"),
    ],
)
def test_a_plugin_for_another_api_is_refused(api: str, said: str, install: Install) -> None:
    install(f"kpolicy_api = {api}\n" + plugin("kpolicy_reporters", "raise SystemExit"))
    host = make_plugin_manager()
    assert said in str(only_problem(host))
    host.reporters()
    assert len(host.problems) == 1


def test_a_plugin_for_this_api_is_welcome(install: Install) -> None:
    install("kpolicy_api = 1")
    host = make_plugin_manager()
    assert host.problems == []
    assert host.plugins["acme"].status == "active"


def test_an_unknown_hook_is_refused_with_a_suggestion(install: Install) -> None:
    install("from kpolicy import hookimpl\n@hookimpl\ndef kpolicy_relation(): return []")
    host = make_plugin_manager()
    said = str(only_problem(host))
    assert '"kpolicy_relation" is no hook, did you mean "kpolicy_relations"?' in said
    assert host.plugins["acme"].status == "failed"


def test_an_argument_that_a_hook_does_not_have_is_refused(install: Install) -> None:
    install("from kpolicy import hookimpl\n@hookimpl\ndef kpolicy_relations(scan): return []")
    assert "does not fit the hooks" in str(only_problem(make_plugin_manager()))


def test_a_hook_wrapper_is_refused(install: Install) -> None:
    install(
        "from kpolicy import hookimpl\n@hookimpl(wrapper=True)\n"
        "def kpolicy_relations():\n    return (yield)"
    )
    assert "wrappers are not part of the API" in str(only_problem(make_plugin_manager()))


def test_a_plugin_that_fails_to_register_leaves_others_alone(install: Install) -> None:
    """The manager is as if the plugin had never been there."""
    install("from kpolicy import hookimpl\n@hookimpl\ndef kpolicy_nothing(): return []", "broken")
    code, name = GOOD["kpolicy_reporters"]
    install(plugin("kpolicy_reporters", "return [GIVEN]", code), "zeta")
    host = make_plugin_manager()
    assert name in names(host.reporters())
    assert len(host.problems) == 1


@pytest.mark.parametrize("name", ["acme", "acme-dist"])
def test_a_disabled_plugin_is_not_imported(name: str, install: Install) -> None:
    module = install("raise RuntimeError('imported')")
    host = make_plugin_manager(disabled=[name])
    assert host.problems == []
    assert host.plugins["acme"].status == "disabled"
    assert module not in sys.modules


def test_disabling_a_plugin_that_is_none_is_a_problem_with_a_suggestion(install: Install) -> None:
    install("")
    host = make_plugin_manager(disabled=["acne"])
    assert 'no plugin is called "acne"\n  did you mean "acme"?' in str(only_problem(host))


def test_two_plugins_of_one_name_are_a_problem(install: Install) -> None:
    install("", "acme")
    install("", "acme")
    assert 'two plugins are called "acme"' in str(only_problem(make_plugin_manager()))


def test_without_entry_points_no_plugin_is_looked_for(install: Install) -> None:
    module = install("")
    assert list(make_plugin_manager(entry_points=False).plugins) == [BUILTIN]
    assert module not in sys.modules


def test_a_hook_that_does_not_return_is_ended_and_named(install: Install) -> None:
    install(plugin("kpolicy_reporters", "while True: pass"))
    host = make_plugin_manager(seconds=0.1)
    host.reporters()
    assert "hook kpolicy_reporters did not return within 0.1 s" in str(only_problem(host))


def test_a_loop_that_swallows_exceptions_is_ended_too(install: Install) -> None:
    body = "while True:\n    try:\n        while True: pass\n    except Exception: pass"
    install(plugin("kpolicy_reporters", body))
    host = make_plugin_manager(seconds=0.1)
    host.reporters()
    assert "did not return within" in str(only_problem(host))


def test_tracing_prints_every_call(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = GOOD["kpolicy_reporters"]
    install(plugin("kpolicy_reporters", "return [GIVEN]", code))
    monkeypatch.setenv("KPOLICY_TRACE_HOOKS", "1")
    make_plugin_manager().reporters()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[0] for line in lines][-1] == (
        "kpolicy: hook kpolicy_reporters acme -> 1 items"
    )
    assert lines[0].startswith("kpolicy: hook kpolicy_reporters kpolicy -> ")


def test_each_plugin_is_asked_once(install: Install) -> None:
    code, _ = GOOD["kpolicy_reporters"]
    body = "ASKED.append(1)\nreturn [GIVEN]"
    module = install(plugin("kpolicy_reporters", body, code + "\nASKED = []"))
    host = make_plugin_manager()
    assert host.reporters() == host.reporters()
    assert sys.modules[module].ASKED == [1]


def test_post_processing_may_label_and_drop(install: Install) -> None:
    body = (
        "return [dataclasses.replace(f, labels={'team': 'shop'}) for f in findings\n"
        "        if f.policy != 'dropped']"
    )
    install(plugin("kpolicy_process_findings", body, "import dataclasses"))
    host = make_plugin_manager()
    out = host.process_findings((finding(policy="dropped"), finding()))
    assert [(f.policy, dict(f.labels)) for f in out] == [("latest-tag", {"team": "shop"})]


def test_post_processing_keeps_the_order_of_a_report(install: Install) -> None:
    install(plugin("kpolicy_process_findings", "return list(reversed(findings))"))
    first, second = finding(policy="a"), finding(policy="b")
    assert make_plugin_manager().process_findings((first, second)) == (first, second)


def test_post_processing_cannot_change_its_input(install: Install) -> None:
    install(plugin("kpolicy_process_findings", "findings[0].message = 'changed'"))
    host = make_plugin_manager()
    given = finding()
    assert host.process_findings((given,)) == (given,)
    assert given.message == "m"
    assert "FrozenInstanceError" in str(only_problem(host))


def test_toolbox_holds_what_plugins_gave_and_can_be_made_again_elsewhere(
    install: Install,
) -> None:
    code, _ = GOOD["kpolicy_relations"]
    install(plugin("kpolicy_relations", "return [GIVEN]", code))
    box = make_plugin_manager(disabled=()).toolbox()
    assert "acme" in names(box.relations)
    assert box.factory is not None
    again = box.factory.make()
    assert names(again.relations) == names(box.relations)
    assert again.digest == box.digest
    assert names(make_toolbox((), False).relations) == [
        n for n in names(box.relations) if n != "acme"
    ]


def test_digest_changes_with_a_plugin_and_its_version(install: Install) -> None:
    alone = make_plugin_manager(entry_points=False).toolbox().digest
    install("", version="1.0")
    first = make_plugin_manager().toolbox().digest
    disabled = make_plugin_manager(disabled=["acme"]).toolbox().digest
    assert alone == disabled
    assert first != alone


def test_one_host_knows_nothing_of_another(install: Install) -> None:
    code, _ = GOOD["kpolicy_reporters"]
    install(plugin("kpolicy_reporters", "return [GIVEN]", code))
    with_plugin = make_plugin_manager()
    without = make_plugin_manager(entry_points=False)
    assert "acme" in names(with_plugin.reporters())
    assert "acme" not in names(without.reporters())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[kpolicy]\nacme = acme\n", True),
        ("[console_scripts]\nx = y:z\n\n[ kpolicy ]\nacme = acme\n", True),
        ("[console_scripts]\nkpolicy = y:z\n", False),
        ("", False),
    ],
)
def test_a_quick_look_tells_whether_there_can_be_plugins(
    text: str, found: bool, tmp_path: Path
) -> None:
    """It may say yes wrongly, and never no."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(text)
    assert _may_have_plugins([str(tmp_path / "missing"), str(tmp_path)]) is found


def test_a_quick_look_leaves_archives_to_importlib(tmp_path: Path) -> None:
    archive = tmp_path / "plugins.zip"
    archive.write_bytes(b"")
    assert _may_have_plugins([str(archive)])


def test_a_plugin_at_hand_can_be_registered() -> None:
    class Mine:
        @hookimpl
        def kpolicy_reporters(self) -> list[Reporter]:
            return [Reporter("mine", lambda report, context: "mine")]

    host = make_plugin_manager(entry_points=False)
    host.reporters()
    assert host.register(Mine(), "mine") is None
    assert "mine" in names(host.reporters())
    assert host.plugins["mine"].status == "active"
    assert "is called" in str(host.register(Mine(), "mine"))


def test_a_plugin_at_hand_is_held_to_the_contract() -> None:
    class Wrong:
        kpolicy_api = 99

    host = make_plugin_manager(entry_points=False)
    assert "needs plugin API 99" in str(host.register(Wrong(), "wrong"))
    assert host.plugins["wrong"].status == "failed"
    assert len(host.problems) == 1
