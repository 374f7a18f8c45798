from dataclasses import replace

from PIL import Image

from trimtab.items import ImageScene, MediaBytes, items_fingerprint
from trimtab.studies.kit.media import with_kept_media


class Scene:
    def __init__(self) -> None:
        self.drawn = 0

    def render(self) -> Image.Image:
        self.drawn += 1
        return Image.new("RGB", (4, 4), "red")


def test_a_kept_picture_is_drawn_once_and_stays_the_same_item(test_items):
    scene = Scene()
    drawn = replace(test_items[0], image=ImageScene(scene))
    kept = with_kept_media([drawn, test_items[1]])
    picture = kept[0].image
    assert picture is not None
    assert picture.open() is picture.open()
    fingerprint = items_fingerprint(kept)
    assert scene.drawn == 1
    assert fingerprint == items_fingerprint([drawn, test_items[1]])
    assert picture.encoded() == ImageScene(scene).encoded()


def test_unreadable_pictures_are_counted(test_items):
    broken = replace(test_items[0], image=MediaBytes(b"no picture"))
    kept = with_kept_media([broken, *test_items[1:3]])
    assert [item.id for item in kept] == [item.id for item in test_items[1:3]]
    assert [s.row for s in kept.skipped] == [1]
