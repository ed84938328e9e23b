"""Argo CD Applications to what its repository server would run.

Sources: the user guide of Argo CD (helm, kustomize, directory, tool_detection, multiple_sources,
build-environment), and the Application's definition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kpolicy.frozen import FrozenDict, thaw
from kpolicy.manifests.model import Invalid, Note
from kpolicy.records import dataclass
from kpolicy.rendering.charts import chart_in
from kpolicy.rendering.gitops.model import Followed, Sighting
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.jobs import DirectoryJob, HelmJob, KustomizeJob
from kpolicy.rendering.kustomizations import kustomization_in
from kpolicy.rendering.reading import fields, maps, strings, text
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.tree import FileTree, join

__all__ = ["follow_application"]

_TOOLS = ("helm", "kustomize", "directory", "plugin")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))")


def follow_application(
    body: FrozenDict,
    seen: Sighting,
    tree: FileTree,
    repository: Repository,
    settings: RenderSettings,
    followed: Followed,
) -> None:
    """Add what an Application whose sources are this repository comes to.

    `body` is the Application, `seen` where it, or the set that it is of, stands.
    """
    _Application(body, seen, tree, repository, settings, followed).follow()


@dataclass(frozen=True, slots=True)
class _Application:
    body: FrozenDict
    seen: Sighting
    tree: FileTree
    repository: Repository
    settings: RenderSettings
    followed: Followed

    @property
    def name(self) -> str:
        return text(fields(self.body.get("metadata")).get("name"))

    @property
    def label(self) -> str:
        return f"Application {self.name}"

    @property
    def spec(self) -> Mapping[str, Any]:
        return fields(self.body.get("spec"))

    @property
    def namespace(self) -> str:
        return text(fields(self.spec.get("destination")).get("namespace"))

    def follow(self) -> None:
        sources = self.spec.get("sources")
        hydrated = fields(fields(self.spec.get("sourceHydrator")).get("drySource"))
        if isinstance(sources, list) and sources:
            numbered = [(f"/spec/sources/{n}", fields(s)) for n, s in enumerate(sources)]
        elif hydrated:
            numbered = [("/spec/sourceHydrator/drySource", hydrated)]
        else:
            numbered = [("/spec/source", fields(self.spec.get("source")))]
        here = {
            text(source.get("ref"))
            for _, source in numbered
            if source.get("ref") and self.repository.is_at(text(source.get("repoURL")))
        }
        for pointer, source in numbered:
            self.source(pointer, source, here)

    def source(self, pointer: str, source: Mapping[str, Any], here: set[str]) -> None:
        """Follow one source; `here` = the references (`$values`) that mean this repository."""
        url = text(source.get("repoURL"))
        if source.get("ref") and not source.get("path"):
            return
        if source.get("chart") or not self.repository.is_at(url):
            what = f"chart {source['chart']} of {url}" if source.get("chart") else url or "nothing"
            self.followed.left.append(
                Note(f"{self.label} is not followed: its source is {what}", self.seen.at(pointer))
            )
            return
        path = text(source.get("path")) or "."
        directory = join("", path)
        if directory is None or self.tree.kind(directory) != "directory":
            why = f'the path "{path}" of {self.label} is not there'
            self.followed.problems.append(Invalid(self.seen.at(f"{pointer}/path"), why))
            return
        tool = self.tool(source, directory)
        if tool == "helm":
            self.helm(pointer, source, directory, here)
        elif tool == "kustomize":
            self.kustomize(pointer, source, directory)
        elif tool == "directory":
            self.directory(pointer, source, directory)
        else:
            note = f"{self.label} is not rendered: it is made by a config management plugin"
            self.followed.notes.append(Note(note, self.seen.at(pointer)))

    def tool(self, source: Mapping[str, Any], directory: str) -> str:
        """Return what Argo CD renders a source with: what it says, else what is there."""
        said = [tool for tool in _TOOLS if source.get(tool) is not None]
        if len(said) == 1:
            return said[0]
        chart = f"{directory}/Chart.yaml" if directory else "Chart.yaml"
        if self.tree.kind(chart) == "file":
            return "helm"
        return "kustomize" if kustomization_in(self.tree, directory) else "directory"

    def environment(self, source: Mapping[str, Any]) -> dict[str, str]:
        """Return the build environment, as far as it does not depend on the revision."""
        return {
            "ARGOCD_APP_NAME": self.name,
            "ARGOCD_APP_NAMESPACE": self.namespace,
            "ARGOCD_APP_PROJECT_NAME": text(self.spec.get("project")),
            "ARGOCD_APP_SOURCE_PATH": text(source.get("path")),
            "ARGOCD_APP_SOURCE_REPO_URL": text(source.get("repoURL")),
            "ARGOCD_APP_SOURCE_TARGET_REVISION": text(source.get("targetRevision")),
        }

    def helm(self, pointer: str, source: Mapping[str, Any], directory: str, here: set[str]) -> None:
        helm = fields(source.get("helm"))
        chart = chart_in(self.tree, directory)
        if chart is None:
            why = f"{self.label} renders a chart that is none, or a library"
            self.followed.problems.append(Invalid(self.seen.at(f"{pointer}/path"), why))
            return
        environment = self.environment(source)
        files = []
        for number, reference in enumerate(strings(helm.get("valueFiles"))):
            written = _substituted(reference, environment)
            name = self.value_file(written, directory, here)
            if name is not None and self.tree.kind(name) == "file":
                files.append(name)
            elif helm.get("ignoreMissingValueFiles") is not True:
                at = self.seen.at(f"{pointer}/helm/valueFiles/{number}")
                why = f'the values file "{reference}" of {self.label} is not there'
                self.followed.problems.append(Invalid(at, why))
                return
        parameters: list[tuple[str, str]] = []
        for parameter in maps(helm.get("parameters")):
            value = _substituted(str(parameter.get("value", "")), environment)
            flag = "--set-string" if parameter.get("forceString") is True else "--set"
            parameters.append((flag, f"{parameter.get('name')}={_escaped(value)}"))
        for number, parameter in enumerate(maps(helm.get("fileParameters"))):
            key = str(parameter.get("name"))
            name = join(directory, _substituted(text(parameter.get("path")), environment))
            # A key with a comma or an equals sign would name files of its own.
            if name is None or self.tree.kind(name) != "file" or re.search("[=,]", key):
                at = self.seen.at(f"{pointer}/helm/fileParameters/{number}")
                why = f"the file parameter {key} of {self.label} leads to no file"
                self.followed.problems.append(Invalid(at, why))
                return
            parameters.append(("--set-file", f"{key}={name}"))
        inline = []
        if isinstance(helm.get("valuesObject"), dict):
            inline.append(json.dumps(thaw(helm["valuesObject"])))
        elif text(helm.get("values")):
            inline.append(_substituted(text(helm.get("values")), environment))
        self.followed.jobs.append(
            HelmJob(
                chart=directory,
                label=self.label,
                at=self.seen.at(f"{pointer}/path"),
                release=text(helm.get("releaseName")) or self.name,
                namespace=text(helm.get("namespace")) or self.namespace,
                values=tuple(files),
                inline=tuple(inline),
                parameters=tuple(parameters),
                kube_version=text(helm.get("kubeVersion")) or self.settings.kube_version,
                api_versions=strings(helm.get("apiVersions")) or self.settings.api_versions,
                skip_crds=helm.get("skipCrds") is True,
                skip_tests=helm.get("skipTests") is True,
            )
        )

    def value_file(self, reference: str, directory: str, here: set[str]) -> str | None:
        """Return the name of a values file: `$ref/...` and `/...` start at a repository's root."""
        if reference.startswith("$"):
            ref, _, path = reference[1:].partition("/")
            return join("", path) if ref in here else None
        if reference.startswith("/"):
            return join("", reference.lstrip("/"))
        return join(directory, reference)

    def kustomize(self, pointer: str, source: Mapping[str, Any], directory: str) -> None:
        from kpolicy.rendering.gitops.kustomize_edits import argocd_edits

        found = kustomization_in(self.tree, directory)
        at = self.seen.at(f"{pointer}/path")
        if found is None:
            why = f"{self.label} builds {self.tree.shown(directory)}, which has no kustomization"
            self.followed.problems.append(Invalid(at, why))
            return
        environment = self.environment(source)
        options = fields(source.get("kustomize"))
        self.followed.jobs.append(
            KustomizeJob(
                directory=directory,
                label=self.label,
                at=at,
                namespace=self.namespace,
                changes=argocd_edits(
                    found.body, options, lambda value: _substituted(value, environment)
                ),
            )
        )

    def directory(self, pointer: str, source: Mapping[str, Any], directory: str) -> None:
        options = fields(source.get("directory"))
        if options.get("jsonnet"):
            note = f"{self.label} is rendered without its Jsonnet files, which are not evaluated"
            self.followed.notes.append(Note(note, self.seen.at(pointer)))
        self.followed.jobs.append(
            DirectoryJob(
                directory=directory,
                label=self.label,
                at=self.seen.at(f"{pointer}/path"),
                namespace=self.namespace,
                recurse=options.get("recurse") is True,
                include=text(options.get("include")),
                exclude=text(options.get("exclude")),
            )
        )


def _substituted(value: str, environment: Mapping[str, str]) -> str:
    """Return a value with variables of the build environment replaced; `$$` is a dollar."""
    parts = value.split("$$")
    return "$".join(
        _VARIABLE.sub(lambda m: environment.get(m["braced"] or m["plain"], m[0]), part)
        for part in parts
    )


def _escaped(value: str) -> str:
    """Return a parameter's value as Argo CD gives it to Helm: a comma is no separator in it."""
    if value.startswith("{") and value.endswith("}"):
        return value
    return re.sub(r"(?<!\\),", r"\\,", value)
