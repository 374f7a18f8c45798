"""How ``trimtab serve`` starts vLLM's own server: its options, its environment, and what it must hold to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from trimtab.bundled import BUNDLED
from trimtab.errors import UsageError
from trimtab.models import Model, write_published
from trimtab.serving.bank import check_name
from trimtab.serving.facts import ServedModel
from trimtab.serving.settings import MOST_BYTES, Settings

API_KEY, OPERATOR_KEY = "TRIMTAB_API_KEY", "TRIMTAB_OPERATOR_KEY"
"""Where the keys are: on a command line, every user of the machine could read them."""
OWN_FILES = "TRIMTAB_SERVING_FILES"
"""Where the server's own files are, which it removes when it ends."""

NO_DOMAIN = "no-domain.invalid"
"""A name that no host can have (RFC 2606)."""

GROUPS = ("general", "platform", "io_processor", "stat_logger")
"""Kinds of plug-ins that vLLM loads if it is not told which."""

ENVIRONMENT = {
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the plug-in hooks the first one
    "VLLM_DISABLE_COMPILE_CACHE": "1",  # a graph that was compiled without the plug-in does not steer
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    "VLLM_DISABLE_REQUEST_ID_RANDOMIZATION": "0",  # receipts are told apart by it
}
DEFAULTS = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_MAX_MEDIA_DOWNLOAD_SIZE_MB": "32",
    "VLLM_MAX_N_SEQUENCES": "128",
}
"""What the operator's own environment may set otherwise."""
NOT_COMPILED = {"TORCHDYNAMO_DISABLE": "1"}
"""Without it, vLLM compiles a few small functions at the first request even where it is not to compile the model."""

BUNDLED_OPTIONS = ("--kv-cache-memory-bytes", str(256 << 20), "--max-num-seqs", "16")
"""For models this small, vLLM's own would take most of a machine's memory."""


@dataclass(frozen=True)
class Launch:
    """A server to be started.

    Attributes:
        name: What requests call the model.
        model: What vLLM is to load: a folder or a Hub id.
        chat_template: The file of the template that writes prompts.
        settings: What it offers.
        host: Address to listen at.
        port: Port to listen at.
        dtype: Number type to compute in.
        media_domains: Hosts that pictures may be fetched from.
        compiled: Whether vLLM is to compile the model's graph.
        options: Further options of vLLM's.
    """

    name: str
    model: str
    chat_template: Path
    settings: Settings
    host: str
    port: int
    dtype: str
    media_domains: tuple[str, ...] = ()
    compiled: bool = False
    options: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return the arguments of vLLM's ``serve``; of an option given twice, it takes the last."""
        first = ["--served-model-name", self.name, "--host", self.host, "--port", str(self.port), "--dtype", self.dtype]
        first += ["--chat-template", str(self.chat_template)]
        small = BUNDLED_OPTIONS if self.name in BUNDLED else ()
        domains = self.media_domains or (NO_DOMAIN,)
        # One front end, since each has its own list of artifacts.
        held = ["--no-async-scheduling", "--api-server-count", "1", "--enable-prompt-tokens-details"]
        held += [] if self.compiled else ["--enforce-eager"]
        return [self.model, *first, *small, *self.options, *held, "--allowed-media-domains", *domains]

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the server.

        Args:
            given: That of this process.
        """
        own = DEFAULTS if self.compiled else {**DEFAULTS, **NOT_COMPILED}
        return {**own, **given, **ENVIRONMENT, "VLLM_PLUGINS": plugins(given), **self.settings.environment()}


def vllm_installed() -> bool:
    """Say whether there is a vLLM in this environment."""
    return find_spec("vllm") is not None


def plugins(given: Mapping[str, str]) -> str:
    """Return the names of the plug-ins that vLLM is to load: routes are added only by those that are named to it."""
    named = given.get("VLLM_PLUGINS")
    if named is None:
        found = {point.name for group in GROUPS for point in entry_points(group=f"vllm.{group}_plugins")}
    else:
        found = {name for name in named.split(",") if name}
    return ",".join(sorted(found | {"trimtab"}))


def prepare(
    model: Model,
    artifacts: Sequence[Path],
    bank: Path | None,
    files: Path,
    dtype: str,
    most_bytes: int = MOST_BYTES,
) -> tuple[str, Path, Settings]:
    """Write what the server reads, and check that it can offer what it is to offer.

    Args:
        model: What is to be served, loaded.
        artifacts: Folders of artifacts, whose names requests give.
        bank: The folder from which others may be added; None for none.
        files: Where to write.
        dtype: Number type that the server is to compute in.
        most_bytes: The longest body that a request may have.

    Returns:
        What vLLM is to load, the template that it is to write prompts by, and what its processes are told.

    Raises:
        ArtifactError: An artifact is for another model.
        UnsupportedMethodError: A server cannot do what one asks.
        UsageError: Two have one name and target, or one has a name that requests cannot give.
    """
    facts = ServedModel.of(model, dtype).save(files / "facts.json")
    if bank is not None and not bank.is_dir():
        raise UsageError(f"`--bank` of serve must be a folder of artifacts; {bank} is none; make it.")
    named = tuple((folder.resolve().name, folder) for folder in artifacts)
    settings = Settings(facts, named, bank, most_bytes)
    for name, _folder in named:
        check_name(name)
    if len(list(settings.open())) < len(named):
        raise UsageError(
            "`--artifact` of serve must differ in the folder's name or in the target; got two of one name and target; "
            "rename a folder."
        )
    template = files / "chat_template.jinja"
    template.write_text(template_of(model), encoding="utf-8")
    loaded = str(write_published(model, files / "model")) if model.name in BUNDLED else model.name
    return loaded, template, settings


def template_of(model: Model) -> str:
    """Return a model's chat template, which writes the token that begins a text where the tokenizer would add it.

    For vLLM, a chat's template writes all tokens and the tokenizer adds none. LLaVA's leaves the first one to it.
    """
    tokenizer = model.tokenizer
    turns = [{"role": "user", "content": [{"type": "text", "text": "a"}]}]
    text = tokenizer.apply_chat_template(turns, chat_template=model.chat_template, tokenize=False)
    written = tokenizer(text, add_special_tokens=False)["input_ids"]
    begins = tokenizer.bos_token is not None and tokenizer.bos_token not in text
    added = begins and tokenizer(text)["input_ids"] == [tokenizer.bos_token_id, *written]
    return "{{ bos_token }}" + model.chat_template if added else model.chat_template
