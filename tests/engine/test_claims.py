"""Processes take shards from one another, each shard once."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from kpolicy.engine.workers import MOST, Claims


@pytest.mark.parametrize("count", [0, 1, 7, MOST])
def test_one_process_takes_all_in_order(count: int) -> None:
    claims = Claims.upto(count)
    assert list(claims) == list(range(count))
    assert list(claims) == []
    claims.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_several_take_each_one_once() -> None:
    claims = Claims.upto(200)
    context = multiprocessing.get_context("fork")
    takers = []
    for _ in range(3):
        receiver, sender = context.Pipe(duplex=False)

        def take(sender=sender) -> None:  # type: ignore[no-untyped-def]
            sender.send(list(claims))

        process = context.Process(target=take)
        process.start()
        sender.close()
        takers.append((process, receiver))
    own = list(claims)
    taken = [own, *(receiver.recv() for _, receiver in takers)]
    for process, _ in takers:
        process.join()
    assert sorted(number for each in taken for number in each) == list(range(200))
    assert all(each == sorted(each) for each in taken)
    claims.close()
