"""A checkpoint's tokenizer and chat template: each is found, opened and tried before it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from trimtab.errors import UnsupportedModelError
from trimtab.media import medium_kind
from trimtab.modalities import Modality
from trimtab.models.family import Family
from trimtab.models.hugging_face import FastTokenizer, HuggingFaceModel
from trimtab.models.plain_text import PlainText
from trimtab.models.source import Source, reading

if TYPE_CHECKING:
    from trimtab.models.model import Model

SENTENCE = "What is the color of the 2 cats?"
"""Any tokenizer of a language model can write and read it."""


def open_tokenizer(source: Source) -> FastTokenizer:
    """Open the tokenizer.

    Raises:
        UsageError: Its files are missing or broken.
    """
    from transformers import AutoTokenizer

    with reading(source):
        # Mistral's own class, which is used where its package is installed, knows no character offsets.
        return AutoTokenizer.from_pretrained(
            source.path, trust_remote_code=False, mistral_format=False, **source.options
        )


def choose_template(
    source: Source, tokenizer: FastTokenizer, family: Family, marks: Mapping[Modality, str]
) -> str | None:
    """Return the first template that takes media: the processor's, or else the tokenizer's, or else the family's.

    Fine-tuning tools write a template of text alone into the tokenizer's files, beside the processor's own. Where none
    takes media, the first is returned, and ``check_parts`` says what it lacks. One that takes all is preferred to one
    that takes only what is not optional.
    """
    with reading(source):
        every = [*_processor_templates(source), _plain(tokenizer.chat_template)]
    return suitable_template(every, tokenizer, family, marks)


def suitable_template(
    candidates: Iterable[object], tokenizer: FastTokenizer, family: Family, marks: Mapping[Modality, str]
) -> str | None:
    """Return the first of templates that takes media, the family's own last; see ``choose_template``."""
    found = [template for template in (*map(_plain, candidates), family.template()) if template]
    needed: dict[Modality, str] = {kind: mark for kind, mark in marks.items() if kind not in family.optional}
    for least in (marks, needed):
        for template in found:
            if not any(template_fault(tokenizer, template, kind, mark) for kind, mark in least.items()):
                return template
    return found[0] if found else None


def _processor_templates(source: Source) -> Iterator[str | None]:
    jinja = source.file("chat_template.jinja")
    yield jinja.read_text(encoding="utf-8") if jinja else None
    for name in ("chat_template.json", "processor_config.json"):
        yield _plain((source.json(name) or {}).get("chat_template"))


def _plain(template: object) -> str | None:
    """The template itself, of one that has a name: a mapping, or a list of pairs as old files keep it."""
    if isinstance(template, list):
        template = {
            t["name"]: t["template"] for t in template if isinstance(t, dict) and {"name", "template"} <= t.keys()
        }
    if isinstance(template, dict):
        template = template.get("default") or next(iter(template.values()), None)
    return template if isinstance(template, str) and template else None


def dated(template: str | None, path: str) -> tuple[str, ...]:
    """Return a note where a template asks what day it is."""
    if "strftime_now" not in (template or ""):
        return ()
    return (
        f"the chat template of {path} writes today's date into each prompt, so numbers differ from day to day; give "
        "`from_parts` a template with one date to have them again.",
    )


def template_fault(tokenizer: FastTokenizer, template: str, kind: Modality, mark: str) -> str | None:
    """Return what is wrong with a template for one medium of a kind and a sentence; None if nothing is."""
    try:
        rendered = _rendered(tokenizer, template, kind)
    except Exception as error:  # a template is a program, and may fail in any way
        return f"fails with {type(error).__name__} ({str(error).splitlines()[0] if str(error) else ''})"
    if rendered.count(mark) != 1 or SENTENCE not in rendered:
        return f"renders {rendered[:200]!r}"
    return None


def _rendered(tokenizer: FastTokenizer, template: str, kind: Modality) -> str:
    content = [{"type": kind}, {"type": "text", "text": SENTENCE}]
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], chat_template=template, add_generation_prompt=True, tokenize=False
    )


def left_out(hf: HuggingFaceModel, tokenizer: FastTokenizer, template: str, family: Family) -> dict[Modality, str]:
    """Say which modalities a checkpoint lacks of those that its family does not insist on, each with the reason."""
    found: dict[Modality, str] = {}
    placeholders, marks = family.placeholders(hf), family.written(hf, tokenizer)
    for kind in family.optional:
        token, noun = placeholders.get(kind), medium_kind(kind).noun
        text = tokenizer.convert_ids_to_tokens(token) if token is not None else None
        if not text or tokenizer(text * 2, add_special_tokens=False)["input_ids"] != [token, token]:
            found[kind] = f"the tokenizer has no token for a {noun}'s positions"
        elif template_fault(tokenizer, template, kind, marks[kind]) is not None:
            found[kind] = f"the chat template gives a {noun} no {marks[kind]!r}"
    return found


def check_parts(model: Model) -> None:
    """Try the tokenizer and the template on a sentence and a medium of each kind.

    Raises:
        UnsupportedModelError: The tokenizer lacks its vocabulary, has tokens that the model does not, or does not write
            a medium's position as one token; or the template gives a medium no place.
    """
    rows = model.hf.get_input_embeddings().weight.shape[0]
    tokenizer, name = model.tokenizer, model.name
    for kind, token in model.placeholders.items():
        if not 0 <= token < rows:
            raise _refused(
                name, f"{kind}_token_id", f"be a row of the {rows} token embeddings", token, "mend config.json"
            )
    ids = _encode(tokenizer, SENTENCE, name)
    if not ids or tokenizer.decode(ids).strip() != SENTENCE:
        got = f"{SENTENCE!r} to {tokenizer.decode(ids)!r}"
        raise _refused(name, "tokenizer", "write and read any text", got, "complete its files (tokenizer.json)")
    # Control tokens may be beyond, such as one that the model's own processor replaces: nobody's text becomes them.
    beyond = {token for token, number in tokenizer.get_vocab().items() if number >= rows}
    _check_beyond(beyond - PlainText(tokenizer, name).control.keys(), rows, name)
    for kind, token in model.placeholders.items():
        _check_placeholder(tokenizer, kind, token, name)
    for kind, mark in model.marks.items():
        _check_template(tokenizer, model.chat_template, kind, mark, name)
        written = _encode(tokenizer, _rendered(tokenizer, model.chat_template, kind), name)
        _check_beyond({token for token in beyond if tokenizer.convert_tokens_to_ids(token) in written}, rows, name)


def _check_beyond(tokens: set[str], rows: int, name: str) -> None:
    if tokens:
        rule = f"have no token beyond the model's {rows} embeddings"
        raise _refused(name, "tokenizer", rule, repr(min(tokens)), "use the tokenizer that the model was trained with")


def _check_placeholder(tokenizer: FastTokenizer, kind: Modality, token: int, name: str) -> None:
    text, noun = tokenizer.convert_ids_to_tokens(token), medium_kind(kind).noun
    written = _encode(tokenizer, f"{text}{text}", name) if text else []
    if written != [token, token]:
        rule = f"write a {noun}'s position, {text!r}, as its one token {token}"
        raise _refused(name, "tokenizer", rule, written, "complete its files (added_tokens of tokenizer.json)")


def _check_template(tokenizer: FastTokenizer, template: str, kind: Modality, mark: str, name: str) -> None:
    fault, noun = template_fault(tokenizer, template, kind, mark), medium_kind(kind).noun
    if fault is not None:
        raise UnsupportedModelError(
            f"`chat_template` of {name} must keep the text as it is and give each {noun} one {mark!r}; for one {noun} "
            f"and {SENTENCE!r} it {fault}; give a template that takes {noun}s (chat_template.jinja)."
        )


def _encode(tokenizer: FastTokenizer, text: str, name: str) -> list[int]:
    try:
        return tokenizer(text, add_special_tokens=False)["input_ids"]
    except Exception as error:
        got = f"{type(error).__name__} ({str(error)[:100]})"
        raise _refused(name, "tokenizer", "write any text", got, "complete its files (tokenizer.json)") from error


def _refused(name: str, what: str, rule: str, got: object, remedy: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"`{what}` of {name} must {rule}; got {got}; {remedy}.")
