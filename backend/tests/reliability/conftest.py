"""One installation per module, killed and started again by its tests."""

from collections.abc import Iterator

import pytest

from tests.reliability.installation import Installation, installed


@pytest.fixture(scope="module")
def shared_installation() -> Iterator[Installation]:
    with installed() as opened:
        yield opened


@pytest.fixture
def installation(shared_installation: Installation) -> Installation:
    """Ready, whatever the test before has left."""
    shared_installation.api.start()
    return shared_installation
