"""The example applications of Argo CD scan as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from render_kit import settings
from scan_kit import run

SHARED = Path(__file__).parents[3] / "shared" / "real-manifests" / "argocd-apps"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the real manifests are not here")


@pytest.mark.parametrize(
    "name", ["guestbook", "helm-hooks", "plugins", "pre-post-sync", "sock-shop", "sync-waves"]
)
@pytest.mark.parametrize("render", ["auto", "never"])
def test_an_example_is_read_whole(name: str, render: str) -> None:
    from kpolicy.config.model import Config

    config = Config(render=settings())
    report = run(SHARED, target=name, builtin=True, config=config, render=render)
    assert report.invalid == ()
    assert report.problems == ()
    assert report.summary.resources > 0


def test_the_guestbook_overlay_lacks_a_file_and_says_which() -> None:
    """The copy holds one of its two manifests; what is there is scanned all the same."""
    from kpolicy.config.model import Config
    from kpolicy.rendering.programs import find_programs

    report = run(SHARED, target="kustomize-guestbook", config=Config(render=settings()))
    if not find_programs(settings()).kustomize:
        assert report.invalid == ()
        return
    (invalid,) = report.invalid
    assert invalid.location.line == 4
    assert '"guestbook-ui-deployment.yaml", which is not there' in invalid.message
    assert report.summary.resources == 1
