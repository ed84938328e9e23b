"""A small API server over HTTP: discovery, lists in pages, refusals. For tests of `--live`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "let-me-in"

#: group -> version -> [(plural, kind, namespaced, verbs)].
Kinds = dict[str, dict[str, list[tuple[str, str, bool]]]]

KINDS: Kinds = {
    "": {
        "v1": [
            ("namespaces", "Namespace", False), ("pods", "Pod", True),
            ("services", "Service", True), ("secrets", "Secret", True),
            ("configmaps", "ConfigMap", True), ("events", "Event", True),
        ],
    },
    "apps": {"v1": [("deployments", "Deployment", True), ("replicasets", "ReplicaSet", True)]},
    "rbac.authorization.k8s.io": {
        "v1": [("rolebindings", "RoleBinding", True), ("clusterroles", "ClusterRole", False)],
    },
    "metrics.k8s.io": {"v1beta1": [("pods", "PodMetrics", True)]},
}  # fmt: skip


@dataclass
class FakeCluster:
    """What the server holds and how it behaves; tests change it."""

    kinds: Kinds = field(default_factory=lambda: {g: dict(v) for g, v in KINDS.items()})
    objects: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """(group, plural) -> objects."""
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    """path -> (status, message) instead of an answer."""
    expire_after: int = -1
    """After so many pages every continue token has expired, once."""
    offers_token: bool = False
    """Whether the 410 comes with a token to go on with."""
    requests: list[str] = field(default_factory=list)
    authorization: list[str] = field(default_factory=list)
    page: int = 0
    address: str = ""

    def add(self, group: str, plural: str, *objects: dict[str, Any]) -> None:
        """Put objects into the cluster."""
        self.objects.setdefault((group, plural), []).extend(objects)

    def answer(self, url: str) -> tuple[int, Any]:
        """Return status and body for a request."""
        split = urlsplit(url)
        path, query = split.path, parse_qs(split.query)
        if path in self.answers:
            status, message = self.answers[path]
            return status, {"kind": "Status", "status": "Failure", "message": message}
        if path == "/apis":
            return 200, {"kind": "APIGroupList", "groups": [*map(self._group, self.kinds)][1:]}
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            group, version, rest = "", parts[1], parts[2:]
        else:
            group, version, rest = parts[1], parts[2], parts[3:]
        known = self.kinds.get(group, {}).get(version)
        if known is None:
            return 404, {"message": "the server could not find the requested resource"}
        if not rest:
            return 200, {
                "kind": "APIResourceList",
                "resources": [
                    {"name": plural, "kind": kind, "namespaced": spaced, "verbs": ["get", "list"]}
                    for plural, kind, spaced in known
                ]
                + [{"name": f"{known[0][0]}/status", "kind": known[0][1], "verbs": ["get"]}]
                + [{"name": "tokenreviews", "kind": "TokenReview", "verbs": ["create"]}],
            }
        found = self.objects.get((group, rest[-1]), [])
        if rest[0] == "namespaces" and len(rest) == 3:
            found = [o for o in found if o["metadata"].get("namespace") == rest[1]]
        return self._paged(found, query)

    def _paged(self, found: list[dict[str, Any]], query: dict[str, list[str]]) -> tuple[int, Any]:
        start = int(query.get("continue", ["0"])[0])
        limit = int(query["limit"][0])
        if start and self.page == self.expire_after:
            self.expire_after = -1
            metadata = {"continue": str(start)} if self.offers_token else {}
            return 410, {
                "message": "the provided continue parameter is too old",
                "metadata": metadata,
            }
        self.page += 1
        end = start + limit
        token = str(end) if end < len(found) else ""
        return 200, {"kind": "List", "metadata": {"continue": token}, "items": found[start:end]}

    def _group(self, name: str) -> dict[str, Any]:
        versions = [{"groupVersion": f"{name}/{v}", "version": v} for v in self.kinds[name]]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}


@contextmanager
def serving(cluster: FakeCluster) -> Iterator[str]:
    """Serve a cluster; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cluster.requests.append(self.path)
            cluster.authorization.append(self.headers.get("authorization", ""))
            status, body = cluster.answer(self.path)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(path: Path, address: str, context: str = "test") -> Path:
    """Write a kubeconfig for a server."""
    path.write_text(
        json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": context,
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        })
    )  # fmt: skip
    return path
