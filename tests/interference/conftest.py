"""Items and short runs that the tests of interference share."""

import pytest

from tests.interference.items import mixed
from trimtab.interference import Donors
from trimtab.items import Item


@pytest.fixture(scope="session")
def items() -> list[Item]:
    return mixed(6)


@pytest.fixture(scope="session")
def donors(items: list[Item]) -> Donors:
    return Donors(items)
