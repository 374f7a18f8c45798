"""Dynamic Activation Composition: strength by how far steering moves the answer (KL)."""

from trimtab.steering.kl_clip.method import KLClip, KLClipChooser

__all__ = ["KLClip", "KLClipChooser"]
