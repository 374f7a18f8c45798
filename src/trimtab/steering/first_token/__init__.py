"""First token: the target alone says how an answer begins, the full prompt how it goes on."""

from trimtab.steering.first_token.method import FirstToken

__all__ = ["FirstToken"]
