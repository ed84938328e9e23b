"""Write N realistic Kubernetes manifests, the same ones for the same seed.

    python benchmarks/generate.py N DIRECTORY [--seed S]

Manifests come in groups, one for each application: a workload (Deployment with sidecars,
StatefulSet, CronJob or DaemonSet) with its Service, configuration, claims, autoscaling, disruption
budget, network policy and RBAC, in one file or one file each. In a tenth of the groups, the first
of every ten, the log shipper was split into a Deployment of its own that shares a claim with its
application: the `split-sidecar` anti-pattern. What was planted is printed, as JSON with `--json`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

NAMESPACES = ("shop", "billing", "search", "identity", "media", "platform", "analytics", "support")
NOUN_LIST = """
cart catalog checkout invoice ledger profile session token image video upload index query report
metric ticket chat mail coupon stock price rating review wishlist payment refund shipment address
audit export feed
"""
NOUNS = tuple(NOUN_LIST.split())
ROLES = ("api", "web", "worker", "gateway", "backend", "sync")
IMAGES = (
    "registry.example.com/shop",
    "registry.example.com/core",
    "registry.example.com/acme",
    "registry.example.com/acme",
)


@dataclass(frozen=True)
class Planted:
    """What a run wrote."""

    manifests: int
    files: int
    groups: int
    split_sidecars: int
    seed: int


@dataclass(frozen=True)
class App:
    """One group's application and its random choices."""

    name: str
    namespace: str
    number: int
    rng: random.Random

    def labels(self, indent: int, **more: str) -> str:
        pad = " " * indent
        labels = {
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/part-of": self.namespace,
            **more,
        }
        return "\n".join(f"{pad}{key}: {value}" for key, value in labels.items())

    @property
    def image(self) -> str:
        version = f"{self.rng.randint(0, 4)}.{self.rng.randint(0, 20)}.{self.rng.randint(0, 9)}"
        tag = self.rng.choice((version, version, version, f"v{version}", "latest"))
        return f"{self.rng.choice(IMAGES)}/{self.name}:{tag}"


def head(app: App, api_version: str, kind: str, name: str, **labels: str) -> str:
    """Return the first lines of a manifest."""
    return (
        f"apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n"
        f"  namespace: {app.namespace}\n  labels:\n{app.labels(4, **labels)}\n"
    )


def resources(app: App, indent: int) -> str:
    """Return a resources block, which a few containers lack."""
    if app.rng.random() < 0.15:
        return ""
    pad = " " * indent
    cpu = app.rng.choice(("50m", "100m", "250m", "500m"))
    memory = app.rng.choice(("64Mi", "128Mi", "256Mi", "1Gi"))
    return (
        f"{pad}resources:\n{pad}  requests:\n{pad}    cpu: {cpu}\n{pad}    memory: {memory}\n"
        f"{pad}  limits:\n{pad}    memory: {memory}\n"
    )


def probes(app: App, indent: int) -> str:
    """Return the probes of a server, which a few lack."""
    if app.rng.random() < 0.2:
        return ""
    pad = " " * indent
    return (
        f"{pad}livenessProbe:\n{pad}  httpGet:\n{pad}    path: /healthz\n{pad}    port: http\n"
        f"{pad}  initialDelaySeconds: 10\n"
        f"{pad}readinessProbe:\n{pad}  httpGet:\n{pad}    path: /ready\n{pad}    port: http\n"
    )


def security(app: App, indent: int) -> str:
    """Return a container's security context."""
    if app.rng.random() < 0.25:
        return ""
    pad = " " * indent
    return (
        f"{pad}securityContext:\n{pad}  allowPrivilegeEscalation: false\n"
        f"{pad}  readOnlyRootFilesystem: true\n{pad}  runAsNonRoot: true\n"
        f'{pad}  capabilities:\n{pad}    drop: ["ALL"]\n'
    )


def pod_spec(app: App, indent: int, logs: str = "", sidecar: bool = False, claim: str = "") -> str:
    """Return a pod spec: the application, perhaps beside a log shipper that shares an emptyDir."""
    pad = " " * indent
    lines = [
        f"{pad}serviceAccountName: {app.name}\n",
        f"{pad}containers:\n",
        f"{pad}  - name: {app.name}\n",
        f"{pad}    image: {app.image}\n",
        f"{pad}    ports:\n{pad}      - name: http\n{pad}        containerPort: 8080\n",
        f"{pad}    envFrom:\n{pad}      - configMapRef:\n{pad}          name: {app.name}-config\n",
        f"{pad}    env:\n{pad}      - name: POD_NAME\n{pad}        valueFrom:\n"
        f"{pad}          fieldRef:\n{pad}            fieldPath: metadata.name\n",
        f'{pad}      - name: LOG_LEVEL\n{pad}        value: "info"\n',
        resources(app, indent + 4),
        probes(app, indent + 4),
        security(app, indent + 4),
        f"{pad}    volumeMounts:\n{pad}      - name: tmp\n{pad}        mountPath: /tmp\n",
    ]
    if logs or sidecar:
        lines.append(f"{pad}      - name: logs\n{pad}        mountPath: /var/log/app\n")
    if claim:
        lines.append(f"{pad}      - name: data\n{pad}        mountPath: /var/lib/{app.name}\n")
    if sidecar:
        lines += [
            f"{pad}  - name: log-shipper\n{pad}    image: registry.example.com/fluent-bit:3.1.4\n",
            resources(app, indent + 4),
            security(app, indent + 4),
            f"{pad}    volumeMounts:\n{pad}      - name: logs\n"
            f"{pad}        mountPath: /var/log/app\n{pad}        readOnly: true\n",
        ]
    lines.append(f"{pad}volumes:\n{pad}  - name: tmp\n{pad}    emptyDir: {{}}\n")
    if logs:
        lines.append(
            f"{pad}  - name: logs\n{pad}    persistentVolumeClaim:\n{pad}      claimName: {logs}\n"
        )
    elif sidecar:
        lines.append(f"{pad}  - name: logs\n{pad}    emptyDir:\n{pad}      sizeLimit: 512Mi\n")
    if claim:
        lines.append(
            f"{pad}  - name: data\n{pad}    persistentVolumeClaim:\n{pad}      claimName: {claim}\n"
        )
    return "".join(lines)


def deployment(app: App, logs: str = "", claim: str = "") -> str:
    """Return the application's Deployment."""
    sidecar = not logs and app.rng.random() < 0.3
    return (
        head(app, "apps/v1", "Deployment", app.name, tier="backend")
        + f"spec:\n  replicas: {app.rng.randint(1, 4)}\n  selector:\n    matchLabels:\n"
        + f"      app.kubernetes.io/name: {app.name}\n  template:\n    metadata:\n      labels:\n"
        + app.labels(8, tier="backend")
        + "\n    spec:\n"
        + pod_spec(app, 6, logs, sidecar, claim)
    )


def log_shipper(app: App) -> str:
    """Return the helper that should be a container of the application's pod."""
    name = f"{app.name}-log-shipper"
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n"
        f"  namespace: {app.namespace}\n  labels:\n    app.kubernetes.io/name: {name}\n"
        f"spec:\n  replicas: 1\n  selector:\n    matchLabels:\n"
        f"      app.kubernetes.io/name: {name}\n  template:\n    metadata:\n      labels:\n"
        f"        app.kubernetes.io/name: {name}\n        tier: logging\n    spec:\n"
        f"      containers:\n        - name: fluent-bit\n"
        f"          image: registry.example.com/fluent/fluent-bit:3.1.4\n"
        f'          args: ["-i", "tail", "-p", "path=/var/log/app/*.log", "-o", "stdout"]\n'
        + resources(app, 10)
        + f"          volumeMounts:\n            - name: logs\n"
        f"              mountPath: /var/log/app\n      volumes:\n        - name: logs\n"
        f"          persistentVolumeClaim:\n            claimName: {app.name}-logs\n"
    )


def stateful_set(app: App) -> str:
    """Return the application as a StatefulSet with a claim template."""
    return (
        head(app, "apps/v1", "StatefulSet", app.name, tier="data")
        + f"spec:\n  serviceName: {app.name}\n  replicas: {app.rng.randint(1, 3)}\n"
        + f"  selector:\n    matchLabels:\n      app.kubernetes.io/name: {app.name}\n"
        + "  template:\n    metadata:\n      labels:\n"
        + app.labels(8, tier="data")
        + "\n    spec:\n"
        + pod_spec(app, 6)
        + "  volumeClaimTemplates:\n    - metadata:\n        name: data\n      spec:\n"
        + '        accessModes: ["ReadWriteOnce"]\n        resources:\n          requests:\n'
        + f"            storage: {app.rng.choice((5, 10, 50))}Gi\n"
    )


def cron_job(app: App) -> str:
    """Return a nightly job of the application."""
    return (
        head(app, "batch/v1", "CronJob", f"{app.name}-nightly")
        + f'spec:\n  schedule: "{app.rng.randint(0, 59)} 3 * * *"\n  concurrencyPolicy: Forbid\n'
        + "  jobTemplate:\n    spec:\n      backoffLimit: 2\n      template:\n        spec:\n"
        + "          restartPolicy: Never\n          containers:\n"
        + f"            - name: job\n              image: {app.image}\n"
        + f'              command: ["/bin/{app.name}", "--nightly"]\n'
        + resources(app, 14)
        + security(app, 14)
    )


def daemon_set(app: App) -> str:
    """Return a node agent: a log collector that is right as it is."""
    return (
        head(app, "apps/v1", "DaemonSet", f"{app.name}-agent")
        + f"spec:\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: {app.name}-agent\n"
        + "  template:\n    metadata:\n      labels:\n"
        + f"        app.kubernetes.io/name: {app.name}-agent\n    spec:\n      containers:\n"
        + "        - name: agent\n          image: registry.example.com/fluent/fluent-bit:3.1.4\n"
        + resources(app, 10)
        + "          volumeMounts:\n            - name: varlog\n              mountPath: /var/log\n"
        + "              readOnly: true\n      volumes:\n        - name: varlog\n"
        + "          hostPath:\n            path: /var/log\n"
    )


def service(app: App) -> str:
    """Return the application's Service."""
    return (
        head(app, "v1", "Service", app.name)
        + "spec:\n  type: ClusterIP\n  selector:\n"
        + f"    app.kubernetes.io/name: {app.name}\n  ports:\n"
        + "    - name: http\n      port: 80\n      targetPort: http\n"
    )


def config_map(app: App) -> str:
    """Return the application's settings, with a file in a block scalar."""
    lines = "".join(
        f"    {noun}.timeout = {app.rng.randint(1, 60)}s\n" for noun in app.rng.sample(NOUNS, 6)
    )
    return (
        head(app, "v1", "ConfigMap", f"{app.name}-config")
        + f'data:\n  LOG_FORMAT: json\n  FEATURE_FLAGS: "a,b,c"\n  REGION: {app.namespace}\n'
        + f"  settings.properties: |\n    # written by the platform team\n{lines}"
    )


def secret(app: App) -> str:
    """Return a Secret with values that only look like secrets."""
    return (
        head(app, "v1", "Secret", f"{app.name}-credentials")
        + "type: Opaque\nstringData:\n  username: app\n  password: not-a-secret\n"
    )


def claim(app: App, suffix: str) -> str:
    """Return a PersistentVolumeClaim."""
    return (
        head(app, "v1", "PersistentVolumeClaim", f"{app.name}-{suffix}")
        + "spec:\n  accessModes:\n    - ReadWriteMany\n  storageClassName: standard\n"
        + f"  resources:\n    requests:\n      storage: {app.rng.choice((1, 5, 20))}Gi\n"
    )


def ingress(app: App) -> str:
    """Return the application's Ingress."""
    host = f"{app.name}.{app.namespace}.example.com"
    return (
        head(app, "networking.k8s.io/v1", "Ingress", app.name)
        + f"spec:\n  ingressClassName: nginx\n  tls:\n    - hosts: [{host}]\n"
        + f"      secretName: {app.name}-tls\n  rules:\n    - host: {host}\n      http:\n"
        + "        paths:\n          - path: /\n            pathType: Prefix\n"
        + f"            backend:\n              service:\n                name: {app.name}\n"
        + "                port:\n                  name: http\n"
    )


def autoscaler(app: App) -> str:
    """Return the application's HorizontalPodAutoscaler."""
    return (
        head(app, "autoscaling/v2", "HorizontalPodAutoscaler", app.name)
        + f"spec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n"
        f"    name: {app.name}\n  minReplicas: 2\n  maxReplicas: {app.rng.randint(3, 12)}\n"
        "  metrics:\n    - type: Resource\n      resource:\n        name: cpu\n"
        "        target:\n          type: Utilization\n          averageUtilization: 75\n"
    )


def disruption_budget(app: App) -> str:
    """Return the application's PodDisruptionBudget."""
    return (
        head(app, "policy/v1", "PodDisruptionBudget", app.name)
        + "spec:\n  minAvailable: 1\n  selector:\n    matchLabels:\n"
        + f"      app.kubernetes.io/name: {app.name}\n"
    )


def network_policy(app: App) -> str:
    """Return who may reach the application."""
    return (
        head(app, "networking.k8s.io/v1", "NetworkPolicy", app.name)
        + "spec:\n  podSelector:\n    matchLabels:\n"
        + f"      app.kubernetes.io/name: {app.name}\n  policyTypes: [Ingress]\n  ingress:\n"
        + "    - from:\n        - podSelector:\n            matchLabels:\n"
        + f"              app.kubernetes.io/part-of: {app.namespace}\n"
        + "      ports:\n        - protocol: TCP\n          port: 8080\n"
    )


def service_account(app: App) -> str:
    """Return the application's ServiceAccount."""
    return head(app, "v1", "ServiceAccount", app.name) + "automountServiceAccountToken: false\n"


def role(app: App) -> str:
    """Return what the application may do."""
    return (
        head(app, "rbac.authorization.k8s.io/v1", "Role", app.name)
        + 'rules:\n  - apiGroups: [""]\n    resources: ["configmaps"]\n'
        + '    verbs: ["get", "list", "watch"]\n'
    )


def role_binding(app: App) -> str:
    """Return the binding of the application's role."""
    return (
        head(app, "rbac.authorization.k8s.io/v1", "RoleBinding", app.name)
        + f"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: {app.name}\n"
        + f"subjects:\n  - kind: ServiceAccount\n    name: {app.name}\n"
        + f"    namespace: {app.namespace}\n"
    )


EXTRAS: tuple[tuple[str, Callable[[App], str], float], ...] = (
    ("service", service, 0.95),
    ("configmap", config_map, 0.95),
    ("serviceaccount", service_account, 0.8),
    ("hpa", autoscaler, 0.4),
    ("pdb", disruption_budget, 0.4),
    ("ingress", ingress, 0.4),
    ("networkpolicy", network_policy, 0.4),
    ("secret", secret, 0.3),
    ("role", role, 0.3),
    ("rolebinding", role_binding, 0.3),
    ("cronjob", cron_job, 0.2),
    ("daemonset", daemon_set, 0.05),
)


def group(app: App, split: bool) -> list[tuple[str, str]]:
    """Return (file name, text) of one group's manifests, the planted ones first."""
    manifests: list[tuple[str, str]] = []
    if split:
        manifests += [
            ("deployment", deployment(app, logs=f"{app.name}-logs")),
            ("log-shipper", log_shipper(app)),
            ("pvc", claim(app, "logs")),
        ]
    elif app.rng.random() < 0.2:
        manifests.append(("statefulset", stateful_set(app)))
    elif app.rng.random() < 0.2:
        manifests.append(("deployment", deployment(app, claim=f"{app.name}-data")))
        manifests.append(("pvc", claim(app, "data")))
    else:
        manifests.append(("deployment", deployment(app)))
    for name, make, share in EXTRAS:
        if app.rng.random() < share:
            manifests.append((name, make(app)))
    return manifests


def groups(count: int, seed: int) -> Iterator[tuple[App, bool, list[tuple[str, str]]]]:
    """Yield groups until `count` manifests are reached; the last one is cut to fit."""
    left = count
    number = 0
    while left > 0:
        rng = random.Random(f"{seed}/{number}")
        app = App(
            f"{rng.choice(NOUNS)}-{rng.choice(ROLES)}-{number:05d}",
            rng.choice(NAMESPACES),
            number,
            rng,
        )
        split = number % 10 == 0
        manifests = group(app, split)[:left]
        yield app, split and len(manifests) >= 2, manifests
        left -= len(manifests)
        number += 1


def generate(count: int, directory: Path, seed: int = 1, flat: bool = False) -> Planted:
    """Write `count` manifests below `directory` and say what was planted.

    In a directory for each application, as repositories are laid out, or all in one with `flat`.
    """
    files = split_sidecars = written = 0
    for app, split, manifests in groups(count, seed):
        written += 1
        split_sidecars += split
        folder = directory / app.namespace / app.name
        prefix = f"{app.namespace}-{app.name}-" if flat else ""
        folder = directory if flat else folder
        folder.mkdir(parents=True, exist_ok=True)
        if not split and app.rng.random() < 0.3:
            text = "---\n".join(text for _, text in manifests)
            (folder / f"{prefix}all.yaml").write_text(text)
            files += 1
        else:
            for name, text in manifests:
                (folder / f"{prefix}{name}.yaml").write_text(text)
            files += len(manifests)
    return Planted(count, files, written, split_sidecars, seed)


def main() -> None:
    """Read the command line, write, and print what was planted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("count", type=int, help="how many manifests")
    parser.add_argument("directory", type=Path, help="where to write them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print what was planted as JSON")
    options = parser.parse_args()
    planted = generate(options.count, options.directory, options.seed)
    if options.json:
        print(json.dumps(asdict(planted)))
    else:
        print(
            f"{planted.manifests} manifests in {planted.files} files, {planted.groups} groups, "
            f"{planted.split_sidecars} split sidecars (seed {planted.seed})"
        )


if __name__ == "__main__":
    main()
