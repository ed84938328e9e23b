"""GET requests to an API server, through the official client; lists page by page.

The client knows kubeconfigs, exec plugins, tokens of a pod and certificates. Its typed models are
not used: they drop fields that they do not know, and change with each release.

Source of the paging: Kubernetes' API concepts, "Retrieving large results sets in chunks".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from kpolicy.errors import Problem, UsageError

#: Seconds to connect, and to wait for each page.
TIMEOUT = (10.0, 60.0)
PAGE = 500
#: How often a list is begun anew when its continue token is too old for what the server still has.
RESTARTS = 3
_INSTALL = "pip install 'kpolicy[live]'"


class ClusterError(Exception):
    """An answer that is none: `status` is the HTTP status, 0 without an answer."""

    def __init__(self, message: str, status: int = 0, body: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = body

    @property
    def is_refusal(self) -> bool:
        """Whether the server knows who asks, and does not let them."""
        return self.status in (401, 403)


class Cluster:
    """An API server. `client` is a `kubernetes.client.ApiClient`.

    `said` is what the client complained of while it read the kubeconfig (an exec plugin that is
    not there): it goes on without, and the server's refusal alone would explain nothing.
    """

    def __init__(self, client: Any, said: tuple[str, ...] = ()) -> None:
        self._client = client
        self.said = said

    @property
    def host(self) -> str:
        """The server's address."""
        return str(self._client.configuration.host).rstrip("/")

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the JSON object at a path. Raises `ClusterError` for anything else."""
        url = f"{self.host}{path}"
        if query:
            url += f"?{urlencode(query)}"
        status, data = self._request(url)
        try:
            body = json.loads(data) if data else None
        except ValueError:
            body = None
        if not 200 <= status <= 299:
            said = body.get("message") if isinstance(body, dict) else None
            raise ClusterError(str(said or f"the server answered {status}"), status, body)
        if not isinstance(body, dict):
            raise ClusterError(f"the server's answer to {path} is no JSON object", status)
        return body

    def _request(self, url: str) -> tuple[int, bytes]:
        """Return status and body, whichever way this version of the client has of telling them."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        from kpolicy import __version__

        headers = {"Accept": "application/json", "User-Agent": f"kpolicy/{__version__}"}
        try:
            for setting in self._client.configuration.auth_settings().values():
                if setting.get("in") == "header" and setting.get("value"):
                    headers[setting["key"]] = setting["value"]
            request = self._client.rest_client.request
            answer = request("GET", url, headers=headers, _request_timeout=TIMEOUT)
            data = answer.data if answer.data is not None else answer.read()
            return answer.status, data.encode() if isinstance(data, str) else data
        except ApiException as error:
            body = error.body or b""
            if error.status:
                return error.status, body.encode() if isinstance(body, str) else body
            raise ClusterError(_words(str(error.reason))) from error
        except (HTTPError, OSError, ValueError) as error:
            raise ClusterError(_words(str(getattr(error, "reason", None) or error))) from error

    def items(self, path: str, page: int = PAGE) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, `page` at a time; none twice.

        A continue token that has expired (410) is replaced by the server's own where it offers
        one; else the list is begun anew. Raises `ClusterError`, also after some objects.
        """
        seen: set[tuple[str, str]] = set()
        token, restarts = "", 0
        while True:
            query: dict[str, Any] = {"limit": page}
            if token:
                query["continue"] = token
            try:
                answer = self.get(path, query)
            except ClusterError as error:
                if error.status != 410 or not token or restarts == RESTARTS:
                    raise
                restarts += 1
                token = _continue(error.body)
                continue
            items = answer.get("items")
            for item in items if isinstance(items, list) else ():
                if not isinstance(item, dict):
                    continue
                metadata = item.get("metadata")
                metadata = metadata if isinstance(metadata, dict) else {}
                key = (str(metadata.get("namespace", "")), str(metadata.get("name", "")))
                if key not in seen:
                    seen.add(key)
                    yield item
            token = _continue(answer)
            if not token:
                return


def _continue(answer: Any) -> str:
    metadata = answer.get("metadata") if isinstance(answer, dict) else None
    token = metadata.get("continue") if isinstance(metadata, dict) else None
    return token if isinstance(token, str) else ""


def _words(text: str) -> str:
    """Return the end of a chain of wrapped errors, which is what happened."""
    return " ".join(text.rpartition(">: ")[2].split()) or "no answer"


def connect(kubeconfig: str = "", context: str = "") -> Cluster:
    """Return the cluster that a kubeconfig names, or the one that this pod runs in.

    `kubeconfig` "" = as kubectl finds it (`KUBECONFIG`, `~/.kube/config`), else the pod's service
    account; `context` "" = the current one. Raises `UsageError`.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != "kubernetes":
            raise
        problem = Problem("--live needs the Kubernetes client for Python", None, _INSTALL)
        raise UsageError(problem) from None
    settings = client.Configuration()
    # A cluster that is not there is told at once; 503 and the like are told kind by kind.
    settings.retries = False
    said: list[str] = []
    try:
        try:
            with _listening(said):
                config.load_kube_config(
                    kubeconfig or None, context or None, settings, persist_config=False
                )
        except config.ConfigException as error:
            if kubeconfig or context:
                raise
            try:
                config.load_incluster_config(settings)
            except config.ConfigException:
                raise config.ConfigException(f"{error} And this is no pod of a cluster.") from None
    except Exception as error:  # of many kinds: YAML, files, certificates, exec plugins
        raise UsageError(_no_cluster(kubeconfig, context, error)) from None
    return Cluster(client.ApiClient(settings), tuple(said))


@contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    """Collect what the client logs, instead of letting it print that."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(" ".join(record.getMessage().split()))

    handler = Handler(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _no_cluster(kubeconfig: str, context: str, error: Exception) -> Problem:
    named = " ".join(
        part
        for part in (f"--kubeconfig {kubeconfig}" * bool(kubeconfig),
                     f"--context {context}" * bool(context))
        if part
    )  # fmt: skip
    what = f"{named}: " if named else ""
    said = " ".join(str(error).split()) or type(error).__name__
    hint = "name a kubeconfig and a context as kubectl has them: --kubeconfig FILE --context NAME"
    return Problem(f"{what}no cluster to read: {said}", None, hint)
