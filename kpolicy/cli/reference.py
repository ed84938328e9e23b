"""The reference of policies as pages: one a pack, an anchor a policy, examples from the tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kpolicy.cli.describe import as_markdown
from kpolicy.errors import KpolicyError

if TYPE_CHECKING:
    from kpolicy.policy.model import Policy
    from kpolicy.policy.packs import PolicyPack
    from kpolicy.testing.model import Case

#: What each of the built-in packs corresponds to elsewhere; `{id}` is the policy's id.
_STANDARDS: Mapping[str, str] = {
    "kube-linter": "kube-linter's check or template of the same name",
    "pss-baseline": "Pod Security Standards, profile Baseline",
    "pss-restricted": "Pod Security Standards, profile Restricted",
    "kubepattern": "KubePattern's registry",
    "schema": "kubeconform, and the API server's own validation",
}
#: An example longer than this is left to the test file.
_LINES = 40


def pages(policies: Iterable[Policy], packs: Iterable[PolicyPack]) -> dict[str, str]:
    """Return the text of each page by file name: one for each pack and `README.md`, the index."""
    directories = {pack.name: pack.directory for pack in packs}
    by_pack: dict[str, list[Policy]] = {}
    for policy in sorted(policies, key=lambda p: p.id):
        by_pack.setdefault(policy.pack or "other", []).append(policy)
    found = {f"{pack}.md": _page(pack, by_pack[pack], directories) for pack in sorted(by_pack)}
    found["README.md"] = _index(by_pack)
    return found


def _page(pack: str, policies: list[Policy], directories: Mapping[str, object]) -> str:
    out = [f"# Pack {pack}", ""]
    if pack in _STANDARDS:
        out += [f"Corresponds to: {_STANDARDS[pack]}.", ""]
    out += [*_table(policies, ""), ""]
    for policy in policies:
        out += [f'<a id="{policy.id}"></a>', "", as_markdown(policy, 2).rstrip(), ""]
        out += _examples(policy, directories.get(pack))
    return "\n".join(out).rstrip() + "\n"


def _index(by_pack: Mapping[str, list[Policy]]) -> str:
    out = [
        "# Policies", "",
        "Made by `kpolicy policies docs --output docs/reference`; a test compares.", "",
    ]  # fmt: skip
    for pack in sorted(by_pack):
        count = len(by_pack[pack])
        out += [f"## [{pack}]({pack}.md)", "", f"{count} polic{'y' if count == 1 else 'ies'}.", ""]
        out += [*_table(by_pack[pack], f"{pack}.md"), ""]
    return "\n".join(out).rstrip() + "\n"


def _table(policies: list[Policy], page: str) -> list[str]:
    rows = ["| Policy | Severity | Default | What it finds |", "|---|---|---|---|"]
    rows += [
        f"| [`{p.id}`]({page}#{p.id}) | {p.severity} | {'yes' if p.default else ''} "
        f"| {p.title.replace('|', chr(92) + '|')} |"
        for p in policies
    ]
    return rows


def _examples(policy: Policy, directory: object) -> list[str]:
    """Return an example with a finding and one without, from the policy's own tests."""
    cases = _cases(policy, directory)
    bad = next((case for case in cases if _shown(case) and case.findings), None)
    good = next((case for case in cases if _shown(case) and not case.findings), None)
    out: list[str] = []
    for title, case in (("Example with a finding", bad), ("Example without", good)):
        if case is None:
            continue
        out += [f"### {title}: {case.name}", "", "```yaml", case.manifests.rstrip(), "```", ""]
        said = [e for e in case.findings if e.message]
        out += [f"- {e.resource or 'finding'}: {e.message}" for e in said[:3]]
        out += [""] if said else []
    return out


def _shown(case: Case) -> bool:
    return bool(case.manifests) and case.manifests.count("\n") <= _LINES and not case.base


def _cases(policy: Policy, directory: object) -> tuple[Case, ...]:
    from kpolicy.testing import load_tests

    if policy.location is not None:
        path = Path(policy.location.path.removesuffix(".yaml") + "_test.yaml")
    elif isinstance(directory, Path):
        path = directory / f"{policy.id}_test.yaml"
    else:
        return ()
    try:
        return load_tests(str(path), path.read_text(encoding="utf-8")).cases
    except (OSError, KpolicyError):
        return ()
