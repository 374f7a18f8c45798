"""Measurement as a study: contributions of every item, stored step by step."""

from trimtab.studies.measurement.plan import MeasurementPlan, made_method
from trimtab.studies.measurement.study import MeasurementStudy

__all__ = ["MeasurementPlan", "MeasurementStudy", "made_method"]
