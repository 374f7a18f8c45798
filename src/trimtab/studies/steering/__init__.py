"""The study of steering: fit, choose on validation, evaluate on test."""
