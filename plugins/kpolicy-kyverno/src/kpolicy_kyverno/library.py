"""Kyverno's CEL functions that can be answered offline.

Source: extensions/cel/libs of kyverno/sdk.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from kpolicy.cel import BOOL, STRING, Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.types import DYN, map_of
from kpolicy.frozen import freeze

from kpolicy_kyverno.images import IMAGE, Image, is_image, parse_image
from kpolicy_kyverno.resources import get, get_cluster_scoped, list_all, list_with_labels

_OBJECT = map_of(STRING, DYN)
_ACCOUNT = "system:serviceaccount:"


def _part(name: str, doc: str) -> Function:
    def read(image: Image) -> str:
        return str(getattr(image, name))

    overload = Overload(f"kyverno_image_{name}", (IMAGE,), STRING, read, member=True)
    return Function(name, (overload,), doc)


def _service_account(user: str) -> dict[str, str]:
    """Return the account that a user name stands for; empty parts where it stands for none."""
    namespace, _, name = (
        user.removeprefix(_ACCOUNT).partition(":") if user.startswith(_ACCOUNT) else ("", "", "")
    )
    return {"Name": name, "Namespace": namespace}


def _hashed(name: str) -> Function:
    def digest(text: str) -> str:
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    return Function(
        f"hash.{name}",
        (Overload(f"kyverno_hash_{name}", (STRING,), STRING, digest, cost="size"),),
        f"The {name} digest of a text, in hexadecimal.",
    )


def _unmarshal(text: str) -> Any:
    try:
        return freeze(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise CelError(f"no JSON: {error}") from None


@cache
def library() -> Library:
    """Return the library."""
    four, three = (STRING,) * 4, (STRING,) * 3
    labels = map_of(STRING, STRING)
    account = (
        Overload("kyverno_parse_service_account", (STRING,), map_of(STRING, STRING),
                 _service_account),
    )  # fmt: skip
    return Library(
        name="kyverno",
        doc="Kyverno's functions that need no network.",
        source="extensions/cel/libs of kyverno/sdk",
        opaque={Image: IMAGE},
        functions=(
            Function(
                "resource.Get",
                (
                    Overload("kyverno_resource_get", four, _OBJECT, get, needs_context=True),
                    Overload("kyverno_resource_get_cluster", three, _OBJECT, get_cluster_scoped,
                             needs_context=True),
                ),
                "A resource of the scanned input by apiVersion, plural name, namespace and name.",
            ),
            Function(
                "resource.List",
                (
                    Overload("kyverno_resource_list", three, _OBJECT, list_all,
                             needs_context=True),
                    Overload("kyverno_resource_list_all", three[:2], _OBJECT, list_all,
                             needs_context=True),
                    Overload("kyverno_resource_list_labels", (*three, labels), _OBJECT, list_all,
                             needs_context=True),
                    Overload("kyverno_resource_list_all_labels", (*three[:2], labels), _OBJECT,
                             list_with_labels, needs_context=True),
                ),
                "A list object with the resources of the scanned input, of a namespace or of all.",
            ),
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
            _part("identifier", "The digest of an image, or else its tag."),
            _part("tag", "The tag of an image, latest where none is written, '' beside a digest."),
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
            *(_hashed(name) for name in ("md5", "sha1", "sha256")),
            Function(
                "json.unmarshal",
                (Overload("kyverno_json_unmarshal", (STRING,), DYN, _unmarshal, cost="size"),),
                "The value of a JSON text.",
            ),
        ),
    )  # fmt: skip
