"""What was built in C when multipool was installed, if there was a compiler.

With ``MULTIPOOL_PURE_PYTHON`` set in the environment none of it is used, or built.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["bound_to", "built", "stand_for", "wanted"]

# Both or none: a wheel has them together.
try:
    from multipool._hotpath import stand_for
    from multipool.watch._stacks import bound_to
except ImportError:
    # Nobody calls them then: see `built`.
    stand_for = bound_to = None  # type: ignore[assignment]

#: Whether it is there.
built: Final = stand_for is not None
#: Whether it is to be used.
wanted: Final = built and not os.environ.get("MULTIPOOL_PURE_PYTHON")
