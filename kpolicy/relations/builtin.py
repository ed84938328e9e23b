"""All built-in relations, in the order in which the documentation lists them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kpolicy.relations.model import Relation


@lru_cache(maxsize=1)
def relations() -> tuple[Relation, ...]:
    """Return the built-in relations; the same objects each time."""
    from kpolicy.relations import (
        accounts,
        claims,
        classes,
        configuration,
        krateo,
        kube_linter,
        mentions,
        monitors,
        ownership,
        peers,
        routes,
        scaling,
        selecting,
        storage,
    )

    return (
        *claims.RELATIONS,
        *storage.RELATIONS,
        *selecting.RELATIONS,
        *peers.RELATIONS,
        *monitors.RELATIONS,
        *routes.RELATIONS,
        *scaling.RELATIONS,
        *configuration.RELATIONS,
        *mentions.RELATIONS,
        *accounts.RELATIONS,
        *ownership.RELATIONS,
        *classes.RELATIONS,
        *krateo.RELATIONS,
        *kube_linter.relations(),
    )
