"""The suite that every adapter passes; a third party runs it with a few lines of pytest.

::

    from multipool.testing.compliance import DriverCompliance

    class TestMyDriver(DriverCompliance):
        driver = my_adapter.driver
        params = "postgresql://localhost/test"

Where the parameters come from a fixture, override the fixture ``target`` instead. What a
driver or its database does not have is declared by a flag of `Suite`, and each test that
is left out says by which. The idea is that of SQLAlchemy's suite for dialects.
"""

import pytest

_PARTS = (
    *("suite", "errors", "life", "liveness", "offers", "parameters", "pooling", "session"),
    "transactions",
)
# Else a failed assertion in here would not show its values.
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

from multipool.testing.compliance.errors import Errors  # noqa: E402
from multipool.testing.compliance.life import Life  # noqa: E402
from multipool.testing.compliance.liveness import Liveness  # noqa: E402
from multipool.testing.compliance.offers import Offers  # noqa: E402
from multipool.testing.compliance.parameters import Parameters  # noqa: E402
from multipool.testing.compliance.pooling import Pooling  # noqa: E402
from multipool.testing.compliance.session import Session  # noqa: E402
from multipool.testing.compliance.suite import Suite  # noqa: E402
from multipool.testing.compliance.transactions import Transactions  # noqa: E402

__all__ = ["DriverCompliance", "Suite"]


class DriverCompliance(
    Parameters, Life, Transactions, Session, Liveness, Errors, Pooling, Offers, Suite
):
    """Everything an adapter must do. Subclass it, with ``driver`` and ``params``."""
