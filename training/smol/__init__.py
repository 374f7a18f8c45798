"""Eyes for a language model that others trained: SmolLM2-135M-Instruct learns to see pocket-mc2's pictures."""
