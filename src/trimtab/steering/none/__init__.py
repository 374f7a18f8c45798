"""No steering: the model as it is."""

from trimtab.steering.none.method import NoSteering

__all__ = ["NoSteering"]
