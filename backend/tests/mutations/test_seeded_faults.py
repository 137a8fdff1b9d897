"""The tests see every one of these faults of the trading path, and nothing where there is none.

Each fault is one replacement in a copy of the application, and the test named beside it has to fail
there. A replacement whose text is not found is a failure here: the fault is to be written
anew, not left out.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests import servers
from tests.faults.forking import Forking, forking
from tests.mutations import seeded
from tests.mutations.runner import FAILED, PASSED, Copy
from tests.mutations.seeded import Seeded
from tests.servers import ServerUrls

BESIDE = 8
"""The runs inside of this one use the upper half of the 16 databases of Redis."""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Forking]:
    with forking("tests.mutations.nursery") as process:
        yield process


@pytest.fixture(scope="module")
def urls(server_urls: ServerUrls, worker_id: str) -> ServerUrls:
    worker = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    return replace(server_urls, redis=servers.redis_database(server_urls.redis, BESIDE + worker))


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy.made(tmp_path_factory.mktemp("copy"))


def test_without_a_fault_the_tests_pass(copied: Copy, nursery: Forking, urls: ServerUrls) -> None:
    control = copied.run(nursery, urls, sorted({fault.test for fault in seeded.ALL}))
    assert control.code == PASSED, control.output


EVERY_OTHER = [
    pytest.param(fault, marks=pytest.mark.long if number % 2 else (), id=fault.name)
    for number, fault in enumerate(seeded.ALL)
]


@pytest.mark.parametrize("fault", EVERY_OTHER)
def test_a_fault_is_seen(fault: Seeded, copied: Copy, nursery: Forking, urls: ServerUrls) -> None:
    with copied.sown(fault):
        outcome = copied.run(nursery, urls, [fault.test])
    assert outcome.code == FAILED, f"survived ({outcome.code})\n{outcome.output}"
