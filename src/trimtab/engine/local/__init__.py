"""The engine that runs a Hugging Face model in this process: hooks for edits, batches, shared prefixes."""
