"""One installation per module, killed and started again by its tests."""

from collections.abc import Iterator

import pytest

from tests.reliability.installation import Installation, installed


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with installed() as opened:
        yield opened


@pytest.fixture(autouse=True)
def serving(installation: Installation) -> None:
    """Every test begins with a server that is ready, whatever the one before left."""
    installation.api.start()
