"""One engine over many: Ray workers, each with a local engine of its own."""
