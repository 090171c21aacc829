"""Play one case with one kind of pool, and print the outcome as JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings

from benchmarks import peers
from benchmarks.cases.catalogue import CASES
from benchmarks.cases.scene import Failed, Scene
from multipool.testing.server import embedded_server


def play(number: int, kind: type[peers.Peer]) -> tuple[str, str]:
    """Return how the case ended, ``holds``, ``fails`` or ``not offered``, and why."""
    with embedded_server(max_prepared_transactions=5) as server:
        try:
            CASES[number](Scene(kind, server))
        except peers.NotOffered as reason:
            return "not offered", str(reason)
        except Failed as reason:
            return "fails", str(reason)
        except BaseException as error:  # whatever a pool raises where it should not
            return "fails", f"{type(error).__name__}: {error}".splitlines()[0]
    return "holds", ""


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    outcome = play(int(sys.argv[1]), getattr(peers, sys.argv[2]))
    print(json.dumps(outcome), flush=True)
    # Whether a pool lets the interpreter end is a case of its own, not a part of each.
    os._exit(0)
