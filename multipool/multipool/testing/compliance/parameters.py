"""What `Driver.parse_dsn` and `Driver.check_params` promise."""

from __future__ import annotations

from typing import Any

import pytest

from multipool import PoolConfigError, conninfo
from multipool.testing.compliance.suite import Suite
from multipool.testing.server import uri

CONFIDENTIAL = "xyzzy"


class Parameters(Suite):
    """Parameters and DSNs."""

    def test_the_parameters_that_connect_are_accepted(self, target: dict[str, Any]) -> None:
        self.driver.check_params(target)

    def test_an_unknown_parameter_is_named_and_no_password_shown(
        self, target: dict[str, Any]
    ) -> None:
        with pytest.raises(PoolConfigError, match="paswd") as caught:
            self.driver.check_params({**target, "paswd": CONFIDENTIAL})
        assert CONFIDENTIAL not in str(caught.value)

    def test_a_refused_parameter_comes_with_those_that_are_allowed(
        self, target: dict[str, Any]
    ) -> None:
        with pytest.raises(PoolConfigError) as caught:
            self.driver.check_params({**target, "no_such_parameter": "1"})
        assert all(name in str(caught.value) for name in target)

    def test_a_uri_and_pairs_mean_the_same_and_connect(self, target: dict[str, Any]) -> None:
        self.needs("libpq")
        # Neither the driver's own parameters nor None, which is libpq's default, are DSNs'.
        said = {
            name: str(value)
            for name, value in target.items()
            if name in conninfo.KEYWORDS and value is not None
        }
        pairs = " ".join(f"{name}='{_escaped(value)}'" for name, value in said.items())
        for dsn in (uri(said), pairs):
            parsed = self.driver.parse_dsn(dsn)
            assert {name: str(value) for name, value in parsed.items()} == said
            self.driver.close(self.driver.connect({**target, **parsed}, timeout=10))

    @pytest.mark.parametrize(
        "dsn",
        [
            f"postgresql://app:{CONFIDENTIAL}%zz@localhost/shop",
            f"postgresql://localhost/shop?password={CONFIDENTIAL}&no_such_parameter=1",
            f"host=localhost password='{CONFIDENTIAL}",
        ],
    )
    def test_a_bad_dsn_is_refused_without_a_word_of_its_values(self, dsn: str) -> None:
        self.needs("libpq")
        with pytest.raises(PoolConfigError) as caught:
            self.driver.parse_dsn(dsn)
        assert CONFIDENTIAL not in str(caught.value)

    def test_a_connect_timeout_that_is_no_number_is_refused_by_name(
        self, target: dict[str, Any]
    ) -> None:
        self.needs("libpq")
        with pytest.raises(PoolConfigError, match="connect_timeout"):
            self.driver.check_params({**target, "connect_timeout": "soon"})

    def test_connecting_leaves_the_given_parameters_alone(self, target: dict[str, Any]) -> None:
        given = dict(target)
        self.driver.close(self.driver.connect(given, timeout=10))
        assert given == target


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
