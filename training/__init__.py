"""How the pocket checkpoints were made: `python -m training pocket-qwen --runs DIR`."""
