"""The engine in this process: a Hugging Face model, its forward pass hooked, prefixes shared."""
