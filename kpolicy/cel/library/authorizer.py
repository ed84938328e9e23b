"""The authorizer library: questions to the cluster's authorizer, which a gate cannot ask.

Source: `k8s.io/apiserver/pkg/cel/library/authz.go` (Kubernetes 1.27; selectors 1.31). All
functions are declared, so that policies that use them are checked. There is no `authorizer`
offline: a policy that names it is refused with `REFUSAL` (see `Library.refused`). Whoever has an
authorizer may bind an `Authorizer` to a variable of the type `AUTHORIZER_TYPE`; the functions
then work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.types import BOOL, STRING, Type

AUTHORIZER_TYPE: Final = Type("kubernetes.authorization.Authorizer")
PATH_CHECK_TYPE: Final = Type("kubernetes.authorization.PathCheck")
GROUP_CHECK_TYPE: Final = Type("kubernetes.authorization.GroupCheck")
RESOURCE_CHECK_TYPE: Final = Type("kubernetes.authorization.ResourceCheck")
DECISION_TYPE: Final = Type("kubernetes.authorization.Decision")

REFUSAL: Final = (
    "authorizer is not available in an offline gate: it asks the API server who may do what, "
    "and no cluster is contacted; leave such a rule to the admission policy in the cluster"
)


class Decision:
    """An authorizer's answer; `error` is '' unless the question could not be answered."""

    __slots__ = ("allowed", "error", "reason")
    cel_type: ClassVar[Type] = DECISION_TYPE

    def __init__(self, allowed: bool, reason: str = "", error: str = "") -> None:
        self.allowed = allowed
        self.reason = reason
        self.error = error

    def __str__(self) -> str:
        return DECISION_TYPE.name


class Question(NamedTuple):
    """May the user (or that service account) do `verb` to a path or to a resource?"""

    verb: str = ""
    service_account: tuple[str, str] | None = None
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


Decide = Callable[[Question], Decision]


class Authorizer:
    """What is bound to `authorizer`: a function that decides questions, for one user.

    The checks derived from it are questions that still lack a part.
    """

    __slots__ = ("decide", "question")
    cel_type: ClassVar[Type] = AUTHORIZER_TYPE

    def __init__(self, decide: Decide, question: Question | None = None) -> None:
        self.decide = decide
        self.question = Question() if question is None else question

    def __str__(self) -> str:
        return self.cel_type.name


class PathCheck(Authorizer):
    """A question about a path that still lacks its verb."""

    __slots__ = ()
    cel_type = PATH_CHECK_TYPE


class GroupCheck(Authorizer):
    """A question about an API group that still lacks its resource."""

    __slots__ = ()
    cel_type = GROUP_CHECK_TYPE


class ResourceCheck(Authorizer):
    """A question about a resource that still lacks its verb."""

    __slots__ = ()
    cel_type = RESOURCE_CHECK_TYPE


def path(authorizer: Authorizer, http_path: str) -> PathCheck:
    """Ask about a path that is no resource, such as /healthz."""
    if not http_path.strip():
        raise CelError("path must not be empty")
    return PathCheck(authorizer.decide, authorizer.question._replace(path=http_path))


def group(authorizer: Authorizer, name: str) -> GroupCheck:
    """Ask about resources of an API group, '' for the core group."""
    return GroupCheck(authorizer.decide, authorizer.question._replace(group=name))


def service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    """Ask for a service account instead of for the user."""
    if not _is_label(namespace):
        raise CelError(f'Invalid service account namespace: "{namespace}"')
    if not _is_subdomain(name):
        raise CelError(f'Invalid service account name: "{name}"')
    question = authorizer.question._replace(service_account=(namespace, name))
    return Authorizer(authorizer.decide, question)


def _is_label(text: str) -> bool:
    from kpolicy.cel.library.format import FORMATS

    return not FORMATS["dns1123Label"].complaints(text)


def _is_subdomain(text: str) -> bool:
    from kpolicy.cel.library.format import FORMATS

    return not FORMATS["dns1123Subdomain"].complaints(text)


def resource(check: GroupCheck, name: str) -> ResourceCheck:
    """Ask about a resource of the group, such as deployments."""
    if not name.strip():
        raise CelError("resource must not be empty")
    return ResourceCheck(check.decide, check.question._replace(resource=name))


def _narrowed(field: str) -> Callable[[ResourceCheck, str], ResourceCheck]:
    def narrow(check: ResourceCheck, value: str) -> ResourceCheck:
        changed: Any = {field: value}
        return ResourceCheck(check.decide, check.question._replace(**changed))

    return narrow


def check(question: PathCheck | ResourceCheck, verb: str) -> Decision:
    """Ask whether `verb` is allowed."""
    return question.decide(question.question._replace(verb=verb))


def _of_decision(
    name: str,
    result: Type,
    implementation: Callable[[Decision], Any],
    doc: str,
) -> Function:
    overload = Overload(f"decision_{name}", (DECISION_TYPE,), result, implementation, True)
    return Function(name, (overload,), doc=doc)  # fmt: skip


def _of_resource(name: str, identifier: str, field: str, doc: str) -> Function:
    overload = Overload(
        identifier, (RESOURCE_CHECK_TYPE, STRING), RESOURCE_CHECK_TYPE, _narrowed(field), True
    )
    return Function(name, (overload,), doc=doc)


LIBRARY: Final = Library(
    name="kubernetes.authz",
    doc="Questions to the cluster's authorizer: checked, but refused in an offline gate.",
    source="k8s.io/apiserver/pkg/cel/library/authz.go",
    refused={"authorizer": REFUSAL},
    opaque={
        Authorizer: AUTHORIZER_TYPE,
        PathCheck: PATH_CHECK_TYPE,
        GroupCheck: GROUP_CHECK_TYPE,
        ResourceCheck: RESOURCE_CHECK_TYPE,
        Decision: DECISION_TYPE,
    },
    functions=(
        Function("path",
                 (Overload("authorizer_path", (AUTHORIZER_TYPE, STRING), PATH_CHECK_TYPE, path,
                           True),),
                 doc="a question about a path that is no resource"),
        Function("group",
                 (Overload("authorizer_group", (AUTHORIZER_TYPE, STRING), GROUP_CHECK_TYPE, group,
                           True),),
                 doc="a question about an API group"),
        Function("serviceAccount",
                 (Overload("authorizer_serviceaccount", (AUTHORIZER_TYPE, STRING, STRING),
                           AUTHORIZER_TYPE, service_account, True),),
                 doc="the authorizer for a service account"),
        Function("resource",
                 (Overload("groupcheck_resource", (GROUP_CHECK_TYPE, STRING), RESOURCE_CHECK_TYPE,
                           resource, True),),
                 doc="a question about a resource of the group"),
        _of_resource("subresource", "resourcecheck_subresource", "subresource",
                     "the question for a subresource"),
        _of_resource("namespace", "resourcecheck_namespace", "namespace",
                     "the question in a namespace"),
        _of_resource("name", "resourcecheck_name", "name", "the question for one name"),
        _of_resource("fieldSelector", "authorizer_fieldselector", "field_selector",
                     "the question with a field selector"),
        _of_resource("labelSelector", "authorizer_labelselector", "label_selector",
                     "the question with a label selector"),
        Function(
            "check",
            (
                Overload("pathcheck_check", (PATH_CHECK_TYPE, STRING), DECISION_TYPE, check, True),
                Overload("resourcecheck_check", (RESOURCE_CHECK_TYPE, STRING), DECISION_TYPE,
                         check, True),
            ),
            doc="the decision about a verb",
        ),
        _of_decision("errored", BOOL, lambda decision: decision.error != "",
                     "whether the question could not be answered"),
        _of_decision("error", STRING, lambda decision: decision.error, "why it could not be"),
        _of_decision("allowed", BOOL, lambda decision: decision.allowed, "whether it is allowed"),
        _of_decision("reason", STRING, lambda decision: decision.reason, "the decision's reason"),
    ),
)  # fmt: skip
