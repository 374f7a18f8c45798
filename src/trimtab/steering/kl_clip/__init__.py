"""Strength from how far steering moves the answer: Dynamic Activation Composition."""

from trimtab.steering.kl_clip.method import KLClip, KLClipChooser

__all__ = ["KLClip", "KLClipChooser"]
