"""How readers are fuzzed: so many inputs each, from a seed that is said.

300 inputs; more with `UNSEG_FUZZ_EXAMPLES=10000`, the same ones again with `UNSEG_FUZZ_SEED=...`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, seed, settings

EXAMPLES = int(os.environ.get("UNSEG_FUZZ_EXAMPLES", "300"))
SEED = int(os.environ.get("UNSEG_FUZZ_SEED") or secrets.randbits(32))


def fuzzed(test: Callable[..., None]) -> Callable[..., None]:
    """Decorate what hypothesis gives inputs to."""
    return seed(SEED)(
        settings(
            max_examples=EXAMPLES, deadline=None, print_blob=True, database=None,
            suppress_health_check=list(HealthCheck),
        )(test)
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def said_seed(request: pytest.FixtureRequest) -> None:
    """Say the seed even where the output of tests is captured."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{request.path.stem}, {EXAMPLES} inputs each: UNSEG_FUZZ_SEED={SEED}")
