"""Text that people wrote stays text: what looks like a control token in it is not one."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from tokenizers import Tokenizer

from trimtab.errors import DataError
from trimtab.models.hugging_face import FastTokenizer

BRACKETED = re.compile(r"<.+>|\[.+\]", re.DOTALL)
"""Added tokens that are not declared special and yet are markup, such as ``<think>``."""
BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
"""Tokens that stand for one byte of a character without a token of its own."""
OPENING, CLOSING = "\U0010fff0", "\U0010fff1"
"""Private characters around the number under which a control token is known while users' text is read."""


class Tokens(NamedTuple):
    """Token ids of a text, and the characters that each was made from.

    Attributes:
        ids: The ids.
        offsets: First and last-but-one character of each; nothing for tokens that stand for none.
        text: The text that offsets are in.
        body: Where the user's part of it begins.
        added: Whether the tokenizer added tokens at the end.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]
    text: str
    body: int
    added: bool


class PlainText:
    """Tokenizes a template's text with a user's text inside it, and takes only the template's control tokens for such.

    Where the user's text holds none, ids are those of the tokenizer as it is. Else the same tokenizer is asked that
    knows control tokens by secret names, which only the template is given in.
    """

    def __init__(self, tokenizer: FastTokenizer, name: str) -> None:
        """Read the control tokens.

        Args:
            tokenizer: A fast tokenizer.
            name: What an error calls the model.
        """
        self._tokenizer, self._name = tokenizer, name
        added = tokenizer.added_tokens_decoder
        self.control = {
            token.content: number
            for number, token in added.items()
            if token.content.strip()
            and (token.special or BRACKETED.fullmatch(token.content))
            and not BYTE.fullmatch(token.content)
        }
        self._ids = frozenset(self.control.values())
        self._unknown = tokenizer.unk_token_id
        self._secret = {content: f"{OPENING}{number}{CLOSING}" for content, number in self.control.items()}
        longest_first = sorted(map(re.escape, self.control), key=len, reverse=True)
        self._pattern = re.compile("|".join(longest_first) or "(?!)")
        self._renamed: Tokenizer | None = None

    def tokens(self, before: str, body: str, after: str) -> Tokens:
        """Tokenize a user's text between two parts of a template.

        Raises:
            DataError: The user's text holds a control token that cannot be told from plain text.
        """
        bos = self._tokenizer.bos_token
        text = before + body + after
        special = not (bos and bos in before)
        usual = self._tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        added = usual.sequence_ids(0)[-1] is None
        found = Tokens(usual["input_ids"], usual["offset_mapping"], text, len(before), added)
        if not self._controls(found, len(body)):
            return found
        return self._secretly(found, (before, body, after), special)

    def _controls(self, tokens: Tokens, length: int) -> list[int]:
        """Return the control tokens that were made from the user's characters."""
        start, end, found = tokens.body, tokens.body + length, []
        for number, (a, b) in zip(tokens.ids, tokens.offsets, strict=True):
            inside = number in self._ids and a < end and b > start and b > a
            # The token for what is unknown also stands for characters that the tokenizer cannot write.
            if inside and (number != self._unknown or tokens.text[a:b].strip() == self._tokenizer.unk_token):
                found.append(number)
        return found

    def _secretly(self, usual: Tokens, parts: tuple[str, str, str], special: bool) -> Tokens:
        before, body, after = parts
        held = [self._tokenizer.convert_ids_to_tokens(number) for number in self._controls(usual, len(body))]
        refusal = DataError(
            f"text of a prompt must not hold {held[0]!r}, a control token of {self._name} that its tokenizer cannot "
            "write as plain text; take it out."
        )
        if OPENING in body:
            raise refusal
        try:
            self._renamed = self._renamed or self._with_secret_names()
        except Exception as error:  # the library raises bare exceptions
            raise refusal from error
        hidden = tuple(self._pattern.sub(lambda m: self._secret[m[0]], part) for part in (before, after))
        found = self._renamed.encode(f"{hidden[0]}{body}{hidden[1]}", add_special_tokens=special)
        result = Tokens(found.ids, found.offsets, f"{hidden[0]}{body}{hidden[1]}", len(hidden[0]), usual.added)
        neutral = self._tokenizer(f"{before}a{after}", add_special_tokens=special)["input_ids"]
        same = self._renamed.encode(f"{hidden[0]}a{hidden[1]}", add_special_tokens=special).ids == neutral
        if not same or self._controls(result, len(body)):
            raise refusal
        return result

    def _with_secret_names(self) -> Tokenizer:
        """Return the tokenizer with its control tokens renamed; their ids stay."""
        state = json.loads(self._tokenizer.backend_tokenizer.to_str())
        state["truncation"] = state["padding"] = None
        for token in state["added_tokens"]:
            token["content"] = self._secret.get(token["content"], token["content"])
        model = state["model"]
        vocabulary = model["vocab"]
        if isinstance(vocabulary, dict):
            model["vocab"] = {self._secret.get(piece, piece): number for piece, number in vocabulary.items()}
        else:
            model["vocab"] = [[self._secret.get(piece, piece), score] for piece, score in vocabulary]
        if model.get("unk_token") in self._secret:
            model["unk_token"] = self._secret[model["unk_token"]]
        return Tokenizer.from_str(json.dumps(state))
