"""Broken pictures: sound files of every format that PIL writes here, damaged at random.

Run many with ``python -m tests.fuzz.pictures --n 10000``; the test suite runs a few.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from trimtab.errors import DataError, MissingImageError
from trimtab.media import MAX_PIXELS, open_picture

MODES = ("RGB", "RGBA", "P", "L", "LA", "I;16", "F", "I", "CMYK", "1", "LAB", "YCbCr")
OPTIONS = {"TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}, {"compression": "packbits"})}
MODES_OF = {"ICNS": ("RGBA",)}  # it is scaled up to seven sizes, which takes long
SKIPPED = {"PDF"}  # PIL writes these and does not read them


def sound_files() -> dict[str, bytes]:
    """One small file for each format, mode and kind of compression that PIL writes; some with EXIF and a profile."""
    Image.init()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {}
    for form in sorted(set(Image.SAVE) - SKIPPED):
        for mode in MODES_OF.get(form, MODES):
            for number, options in enumerate(OPTIONS.get(form, ({},))):
                for extra in ({}, {"exif": exif.tobytes(), "icc_profile": profile}):
                    data = _saved(_sample(mode), form, {**options, **extra})
                    if data is not None and data not in files.values():
                        files[f"{form} {mode} {number}{' tagged' if extra else ''}"] = data
        frames = [Image.new("RGB", (24, 20), color) for color in ("red", "green", "blue")]
        data = (
            _saved(frames[0], form, {"save_all": True, "append_images": frames[1:]}) if form in Image.SAVE_ALL else None
        )
        if data is not None:
            files[f"{form} frames"] = data
    return files


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes with something cut off, changed, inserted, repeated or left out."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        if not body:
            break
        kind, at = rng.random(), rng.randrange(len(body))
        if kind < 0.2:
            del body[at:]
        elif kind < 0.65:  # headers hold most of what can go wrong
            for _ in range(rng.choice((1, 2, 4, 10))):
                reach = min(len(body), rng.choice((16, 40, 120, 600, len(body))))
                body[rng.randrange(reach)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind < 0.8:
            body[at:at] = rng.randbytes(rng.choice((1, 4, 16)))
        elif kind < 0.9:
            body[at:at] = body[at : at + rng.choice((4, 32))]
        else:
            del body[at : at + rng.choice((1, 4, 32))]
    return bytes(body)


def outcomes(n: int, seed: int = 0) -> Iterator[tuple[str, str, bytes]]:
    """Open ``n`` damaged files; yield what became of each, which file it was, and its bytes."""
    rng, files = random.Random(seed), sound_files()
    names = sorted(files)
    for number in range(n):
        name = names[number % len(names)]
        data = damaged(files[name], rng)
        yield opening(data), name, data


def opening(data: bytes) -> str:
    """``opened``, ``refused``, or the traceback of an error that should not get out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            picture = open_picture(data)
    except (DataError, MissingImageError) as error:
        return "refused" if "\n" not in str(error) and len(str(error)) < 400 else f"a long message: {error}"
    except BaseException:
        return traceback.format_exc()
    if picture.mode != "RGB" or picture.width * picture.height > MAX_PIXELS or picture.info:
        return f"opened as {picture}"
    return "opened"


def _sample(mode: str) -> Image.Image:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (20, 24), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode in ("F", "I"):
        return Image.fromarray(grey.astype(np.float32 if mode == "F" else np.int32) * 3)
    if mode == "LAB":
        return Image.frombytes("LAB", (24, 20), rng.bytes(3 * 24 * 20))
    return Image.fromarray(rng.integers(0, 256, (20, 24, 4), dtype=np.uint8)).convert(mode)


def _saved(image: Image.Image, form: str, options: dict) -> bytes | None:
    buffer = io.BytesIO()
    try:
        image.save(buffer, form, **options)
        with Image.open(io.BytesIO(buffer.getvalue())) as back:
            back.load()
    except Exception:  # a mode that the format has not, or a format that is only written
        return None
    return buffer.getvalue()


def main() -> int:
    """Open many, and print counts and what should not have happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-mb", type=int, default=4_000, help="address space; beyond it, memory runs out")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (given.most_mb << 20, given.most_mb << 20))
    counts, slowest, begun = Counter(), (0.0, ""), time.perf_counter()
    before = begun
    for outcome, name, data in outcomes(given.n, given.seed):
        now = time.perf_counter()
        slowest, before = max(slowest, (now - before, name)), now
        counts[outcome if outcome in ("opened", "refused") else "wrong"] += 1
        if outcome not in ("opened", "refused"):
            sys.stdout.write(f"{name}: {outcome}\n{data[:80]!r}\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{dict(counts)} of {given.n} from {len(sound_files())} files in {time.perf_counter() - begun:.0f} s; "
        f"slowest {slowest[0]:.1f} s ({slowest[1]}); peak {peak:.0f} MB\n"
    )
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
