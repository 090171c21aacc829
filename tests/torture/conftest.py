"""What the tests that stop at every point have in common."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from torture.checkpoints import stepping

from multipool import compiled_path


@pytest.fixture(scope="module")
def stepped() -> Iterator[None]:
    """Let a module's tests stop at each point at which CPython may; see `checkpoints`.

    What is done in C has no such points: its steps are those in Python, in the same order, with
    fewer places to stop between them.
    """
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(compiled_path, "in_use", False)
    gc.collect()
    gc.freeze()  # each play collects, and need not look at all of pytest
    with stepping():
        yield
    gc.unfreeze()
    monkeypatch.undo()
