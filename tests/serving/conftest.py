"""Steerers in both of their forms."""

from functools import partial

import pytest

from tests.serving.steerers import Ready, steerer_of


@pytest.fixture(params=(True, False), ids=("compiled", "eager"))
def ready(request: pytest.FixtureRequest) -> Ready:
    """Make a steerer: in a graph, or where a step does only what it needs."""
    return partial(steerer_of, compiled=request.param)
