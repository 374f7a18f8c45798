"""What is remembered of pictures, bounded in bytes: a study asks many questions of the same one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from trimtab.models.space import total_bytes

PIXELS_SHARE = 0.01
"""Share of the host's memory that preprocessed pixels may take; they are cheap to make again."""
PIXELS_MOST = 256_000_000
"""Bytes of preprocessed pixels that are kept at most, however large the host."""
EMBEDDINGS_SHARE = 0.04
"""Share of a device's memory that embedded pictures may take; each saves a pass of the vision tower."""
EMBEDDINGS_MOST = {"cpu": 512_000_000}
"""Bytes of embedded pictures that are kept at most, where the device's memory is also everybody else's."""
LEAST_SHARE = 1 / 16
"""Part of the bounds that stays however often memory runs out: it may be the batches that are too large."""
KEPT_ALWAYS = 1024
"""Whole numbers of so few bytes, such as a picture's grid, stay with the medium."""


class Remembered:
    """Tensors by key; the ones that were not used for longest are forgotten beyond a number of bytes."""

    def __init__(self, most: Callable[[torch.device], int]) -> None:
        """Begin empty.

        Args:
            most: How many bytes may be kept on a device.
        """
        self._most = most
        self._share = 1.0
        self._kept: OrderedDict[str, tuple[Tensor, ...]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Bytes that are kept."""
        return self._bytes

    def get(self, key: str) -> tuple[Tensor, ...] | None:
        """Return what is kept under a key, and count it as used."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: str, *tensors: Tensor) -> None:
        """Keep tensors, and forget what was not used for longest until they fit; too large ones are not kept."""
        size, most = _bytes_of(tensors), int(self._share * self._most(tensors[0].device))
        self._forget(key)
        if size > most:
            return
        self._kept[key] = tuple(_alone(t) for t in tensors)
        self._bytes += size
        while self._bytes > most:
            self._forget(next(iter(self._kept)))

    def clear(self) -> None:
        """Forget everything, also that memory ever ran out."""
        self._kept.clear()
        self._bytes, self._share = 0, 1.0

    def give_up(self) -> int:
        """Forget everything, and keep half as much from now on, since memory ran out; return the bytes forgotten."""
        found, share = self._bytes, max(self._share / 2, LEAST_SHARE)
        self.clear()
        self._share = share
        return found

    def _forget(self, key: str) -> None:
        self._bytes -= _bytes_of(self._kept.pop(key, ()))


class MediaTensors(Mapping[str, Tensor]):
    """The tensors of one medium: small ones are kept, large ones are made when they are asked for."""

    def __init__(self, layout: Mapping[str, Tensor], make: Callable[[], Mapping[str, Tensor]]) -> None:
        """Say what there is.

        Args:
            layout: What ``small_tensors`` says of it.
            make: Makes all of them.
        """
        self._layout, self._make = layout, make

    def __getitem__(self, name: str) -> Tensor:
        kept = self._layout[name]
        return kept if kept.numel() else self._make()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout)

    def __len__(self) -> int:
        return len(self._layout)

    def __reduce__(self) -> tuple[type[dict], tuple[dict[str, Tensor]]]:
        """Other processes, which have another model, get the tensors themselves."""
        return dict, ({name: tensor.cpu() for name, tensor in self.items()},)


def pixels_most(device: torch.device) -> int:
    """Return how many bytes of pixels are kept; see ``PIXELS_SHARE``."""
    return int(min(PIXELS_MOST, PIXELS_SHARE * total_bytes(device)))


def embeddings_most(device: torch.device) -> int:
    """Return how many bytes of embedded pictures are kept on a device; see ``EMBEDDINGS_SHARE``."""
    share = EMBEDDINGS_SHARE * total_bytes(device)
    return int(min(share, EMBEDDINGS_MOST.get(device.type, share)))


def small_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that all media of a shape have in common, and empty ones in place of the others.

    These are small whole numbers, such as grids and lengths; numbers with fractions are content, however few.
    """
    return {name: t if _says_shape(t) else t.new_empty(0) for name, t in tensors.items()}


def _says_shape(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() and _bytes_of((tensor,)) <= KEPT_ALWAYS


def _bytes_of(tensors: tuple[Tensor, ...]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def _alone(tensor: Tensor) -> Tensor:
    """Return a tensor that holds no more memory than its own: a view would keep alive all that it was cut from."""
    whole = tensor.untyped_storage().nbytes()
    return tensor.clone() if whole > _bytes_of((tensor,)) else tensor
