"""Models of three modalities (image, audio, text): random, with planted weights, and with a planted circuit."""

from trimtab.testing.trio.circuit import TRANSFER_HEADS, TRIO_INSTRUCTIONS, colour_sound, planted_trio_circuit
from trimtab.testing.trio.mixture import planted_trio
from trimtab.testing.trio.tiny import tiny_trio

__all__ = ["TRANSFER_HEADS", "TRIO_INSTRUCTIONS", "colour_sound", "planted_trio", "planted_trio_circuit", "tiny_trio"]
