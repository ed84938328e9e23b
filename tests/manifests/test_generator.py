"""The benchmark's manifests: as many as asked for, readable, and the same for the same seed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kpolicy.manifests import discover, load
from kpolicy.manifests.model import Document

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", BENCHMARKS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


def read(directory: Path) -> list[Document]:
    """All objects below a directory, none of them broken, skipped or noted."""
    documents: list[Document] = []
    for file in discover([str(directory)]).files:
        loaded = load(file)
        assert (loaded.invalid, loaded.skipped, loaded.notes) == ((), (), ())
        documents += loaded.documents
    return documents


@pytest.mark.parametrize("count", [1, 2, 7, 250])
def test_it_writes_as_many_manifests_as_asked(
    generator: ModuleType, tmp_path: Path, count: int
) -> None:
    planted = generator.generate(count, tmp_path)
    documents = read(tmp_path)
    assert len(documents) == planted.manifests == count
    assert not any(document.problems for document in documents)
    keys = [
        (d.body["kind"], d.body["metadata"]["namespace"], d.body["metadata"]["name"])
        for d in documents
    ]
    assert len(set(keys)) == count


def test_a_tenth_of_the_groups_has_a_split_sidecar(generator: ModuleType, tmp_path: Path) -> None:
    planted = generator.generate(500, tmp_path)
    documents = read(tmp_path)
    assert planted.split_sidecars == -(-planted.groups // 10)
    helpers = [d for d in documents if d.body["metadata"]["name"].endswith("-log-shipper")]
    assert len(helpers) == planted.split_sidecars
    for helper in helpers:
        volumes = helper.body["spec"]["template"]["spec"]["volumes"]
        claim = volumes[0]["persistentVolumeClaim"]["claimName"]
        namespace = helper.body["metadata"]["namespace"]
        mounters = [
            d.body["metadata"]["name"]
            for d in documents
            if d.body["kind"] == "Deployment"
            and d.body["metadata"]["namespace"] == namespace
            and f"'claimName': '{claim}'" in str(d.body)
        ]
        assert len(mounters) == 2
        assert helper.path.rsplit("/", 1)[1] == "log-shipper.yaml"


def test_the_same_seed_writes_the_same(generator: ModuleType, tmp_path: Path) -> None:
    def contents(seed: int, name: str) -> dict[str, bytes]:
        directory = tmp_path / name
        generator.generate(120, directory, seed)
        files = [path for path in directory.rglob("*") if path.is_file()]
        return {str(path.relative_to(directory)): path.read_bytes() for path in files}

    assert contents(1, "a") == contents(1, "b")
    assert contents(1, "a") != contents(2, "c")
