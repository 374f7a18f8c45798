"""The text of a picture is what the family's own processor writes."""

import pytest

from tests.conformance.own import OWN
from tests.conformance.processor_classes import token_of
from trimtab.testing import TINY_FAMILIES, picture, tiny_model
from trimtab.testing.conformance.subject import PICTURES


@pytest.mark.parametrize("family", OWN)
def test_tokens_are_those_of_its_own_processor(family: str):
    """One text for each picture, in a prompt of several and alone: the same ids as the processor's class would give."""
    model = tiny_model(family, layers=2, check=False)
    pictures = [picture(seed, size) for seed, size in enumerate(PICTURES)]
    shown = [model.show("image", own, among=True) for own in pictures]
    texts = OWN[family](model, pictures)
    assert [model.expand(medium) for medium in shown] == texts
    assert [text.count(token_of(model)) for text in texts] == [medium.n_tokens for medium in shown]
    for alone in pictures:
        assert OWN[family](model, [alone]) == [model.expand(model.show("image", alone))]


def test_each_family_that_takes_pictures_is_held_to_its_own_processor():
    seeing = {family for family in TINY_FAMILIES if "image" in tiny_model(family, layers=2, check=False).placeholders}
    assert seeing == set(OWN)
