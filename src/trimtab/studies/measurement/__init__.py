"""Measurement as a study: contributions of every item, stored step by step."""

from trimtab.studies.measurement.answers import answer_counts, with_answers
from trimtab.studies.measurement.plan import MeasurementPlan, made_method
from trimtab.studies.measurement.study import MeasurementStudy

__all__ = ["MeasurementPlan", "MeasurementStudy", "answer_counts", "made_method", "with_answers"]
