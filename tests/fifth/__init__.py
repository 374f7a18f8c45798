"""A made-up modality, ``touch``: its medium's file and a program that uses it; see ``tests/test_new_modality.py``."""
