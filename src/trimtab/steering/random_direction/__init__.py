"""The control: a random vector as long as the learned ones."""

from trimtab.steering.random_direction.method import RandomDirection

__all__ = ["RandomDirection"]
