from dataclasses import replace

from tests.interference.items import both_item, image, image_item, text_item

from trimtab.items import cluster_of, read_items


def test_a_question_of_general_knowledge_is_one_whatever_its_options_and_picture():
    item = text_item(0)
    again = item.replace(id="other", choices=("one", "nine"), question=item.question.lower(), image=image(7))
    assert cluster_of(again) == cluster_of(item)
    assert cluster_of(text_item(1)) != cluster_of(item)


def test_a_question_about_a_passage_is_of_that_passage():
    one, other = (text_item(0).replace(context=text) for text in ("Two cats.", "Three cats."))
    assert cluster_of(one) != cluster_of(other)
    assert cluster_of(one) == cluster_of(one.replace(question="How many cats?"))


def test_a_picture_is_one_whatever_is_asked_about_it_and_one_question_of_many_pictures_is_not():
    item = image_item(0)
    assert cluster_of(item) == cluster_of(item.replace(question="How many are there?", context="Something else."))
    assert cluster_of(item) != cluster_of(item.replace(image=image(9)))
    assert cluster_of(both_item(0)) != cluster_of(both_item(1))


def test_a_conflict_item_is_of_its_picture():
    item = replace(image_item(0), relevant=None)
    assert cluster_of(item) == cluster_of(item.replace(question="What else?")) != cluster_of(image_item(1))


def test_the_bundled_closed_book_items_repeat_their_questions():
    items = [item for item in read_items("pocket-interference:test") if item.relevant == ("text",)]
    assert len({cluster_of(item) for item in items}) == len({item.question for item in items}) == 62
    assert len(items) == 500
