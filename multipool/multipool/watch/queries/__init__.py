"""The query report: what was executed, from where, how often, and for how long.

- `normaliser`, `tokens`, `lists`: a statement's text without literals.
- `fingerprints`: which statement has which text; `tally`, `histogram`: how often and how long.
- `log` counts what a pool executes; `report` is what `Pool.queries` returns.
"""

from multipool.watch.queries.report import Query, QueryReport

__all__ = ["Query", "QueryReport"]
