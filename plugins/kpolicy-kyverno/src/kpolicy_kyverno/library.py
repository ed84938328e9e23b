"""Kyverno's CEL functions that can be answered offline.

Source: extensions/cel/libs of kyverno/sdk.
"""

from __future__ import annotations

from functools import cache

from kpolicy.cel import BOOL, STRING, Function, Library, Overload
from kpolicy.cel.types import DYN, map_of

from kpolicy_kyverno.answers import functions as answers
from kpolicy_kyverno.images import IMAGE, Image, is_image, parse_image
from kpolicy_kyverno.leniency import function as is_optional
from kpolicy_kyverno.leniency import macro
from kpolicy_kyverno.resources import get, get_cluster_scoped, list_all, list_with_labels
from kpolicy_kyverno.texts import functions as texts

_OBJECT = map_of(STRING, DYN)
_ACCOUNT = "system:serviceaccount:"


def _part(name: str, doc: str, function: str = "") -> Function:
    def read(image: Image) -> str:
        return str(getattr(image, name))

    overload = Overload(f"kyverno_image_{name}", (IMAGE,), STRING, read, member=True)
    return Function(function or name, (overload,), doc)


def _service_account(user: str) -> dict[str, str]:
    """Return the account that a user name stands for; empty parts where it stands for none."""
    namespace, _, name = (
        user.removeprefix(_ACCOUNT).partition(":") if user.startswith(_ACCOUNT) else ("", "", "")
    )
    return {"Name": name, "Namespace": namespace}


def _get(name: str) -> Function:
    """Return `resource.Get`, under one of its names."""
    four, id_ = (STRING,) * 4, f"kyverno_resource_{name}"
    return Function(
        f"resource.{name}",
        (
            Overload(id_, four, _OBJECT, get, needs_context=True),
            Overload(f"{id_}_cluster", four[:3], _OBJECT, get_cluster_scoped, needs_context=True),
        ),
        "A resource of the scanned input by apiVersion, plural name, namespace and name.",
    )


def _list(name: str) -> Function:
    """Return `resource.List`, under one of its names."""
    three, labels, id_ = (STRING,) * 3, map_of(STRING, STRING), f"kyverno_resource_{name}"
    return Function(
        f"resource.{name}",
        (
            Overload(id_, three, _OBJECT, list_all, needs_context=True),
            Overload(f"{id_}_all", three[:2], _OBJECT, list_all, needs_context=True),
            Overload(f"{id_}_labels", (*three, labels), _OBJECT, list_all, needs_context=True),
            Overload(f"{id_}_all_labels", (*three[:2], labels), _OBJECT, list_with_labels,
                     needs_context=True),
        ),
        "A list object with the resources of the scanned input, of a namespace or of all.",
    )  # fmt: skip


@cache
def library() -> Library:
    """Return the library."""
    account = (
        Overload("kyverno_parse_service_account", (STRING,), map_of(STRING, STRING),
                 _service_account),
    )  # fmt: skip
    return Library(
        name="kyverno",
        doc="Kyverno's functions that need no network.",
        source="extensions/cel/libs of kyverno/sdk",
        opaque={Image: IMAGE},
        macros=(macro(),),
        functions=(
            *(_get(name) for name in ("Get", "get")),
            *(_list(name) for name in ("List", "list")),
            Function(
                "image",
                (Overload("kyverno_image", (STRING,), IMAGE, parse_image, cost="size"),),
                "The image reference that a text is.",
            ),
            Function(
                "parseImageReference",
                (Overload("kyverno_parse_image", (STRING,), IMAGE, parse_image, cost="size"),),
                "The same as image.",
            ),
            Function(
                "isImage",
                (Overload("kyverno_is_image", (STRING,), BOOL, is_image, cost="size"),),
                "Whether a text is an image reference.",
            ),
            Function(
                "containsDigest",
                (
                    Overload("kyverno_image_contains_digest", (IMAGE,), BOOL,
                             lambda image: bool(image.digest), member=True),
                ),
                "Whether an image is named by its digest.",
            ),
            _part("registry", "The registry of an image; Docker Hub's is index.docker.io."),
            _part("repository", "The repository of an image in its registry."),
            _part("identifier", "Tag and digest of an image, what is written of them."),
            _part("identifier_with_separator", "The digest or else the tag, with its sign.",
                  "identifierWithSeparator"),
            _part("tag", "The tag of an image, latest where neither it nor a digest is written."),
            _part("digest", "The digest of an image, '' without one."),
            Function("parseServiceAccount", account, "Name and Namespace of a user's account."),
            Function(
                "user.parseServiceAccount",
                (
                    Overload("kyverno_user_parse_service_account", (STRING,),
                             map_of(STRING, STRING), _service_account),
                ),
                "The same as parseServiceAccount.",
            ),
            *texts(),
            is_optional(),
            *answers(),
        ),
    )  # fmt: skip
