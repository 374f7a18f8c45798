"""The application: its verbs."""

from __future__ import annotations

import typer

from trimtab.cli.artifacts import artifacts_app
from trimtab.cli.check import check
from trimtab.cli.circuits import circuits
from trimtab.cli.console import print_line
from trimtab.cli.data import data_app
from trimtab.cli.demo import demo
from trimtab.cli.doctor import doctor
from trimtab.cli.evaluate import evaluate
from trimtab.cli.fit import fit
from trimtab.cli.generate import generate
from trimtab.cli.guard import GuardedGroup
from trimtab.cli.harden import harden
from trimtab.cli.interference import interference
from trimtab.cli.measure import measure
from trimtab.cli.models import models_app
from trimtab.cli.play import play
from trimtab.cli.report import report
from trimtab.cli.serve import serve
from trimtab.cli.spreading import with_quiet
from trimtab.cli.study import study
from trimtab.cli.view import view

FIRST_STEPS = """\
trimtab tells which modality a multimodal LLM believes, and changes it. Three things to do first:

  trimtab demo --fast                                     # see all of it on bundled models, in about a minute
  trimtab check pocket-qwen                               # what works with a model here, how fast, how much memory
  trimtab measure pocket-qwen pocket-mc2:test --limit 40  # picture or text: which does it answer from?

Your own: a model is a folder or a Hugging Face id in place of pocket-qwen; data is a .jsonl file of yours.
  trimtab check MODEL data.jsonl

trimtab --help lists all verbs, trimtab VERB --help what one takes, with an example that runs."""
"""What ``trimtab`` alone says."""

app = typer.Typer(
    name="trimtab",
    cls=GuardedGroup,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    """Print the version and stop; typer calls this before it asks for a verb."""
    if wanted:
        from trimtab import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def trimtab(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", is_eager=True, callback=_print_version
    ),
) -> None:
    """Measure, steer and explain which modality a multimodal LLM relies on; train away harm from irrelevant ones."""
    if context.invoked_subcommand is None:
        print_line(FIRST_STEPS)


app.command(epilog="Example: trimtab check pocket-qwen pocket-mc2:test --limit 200")(check)
app.command(epilog="Example: trimtab demo --out runs/demo")(demo)
app.command(epilog="Example: trimtab study recipes/steering.yaml --out runs/steering")(study)
app.command(epilog="Example: trimtab measure pocket-qwen pocket-mc2:test --limit 80")(measure)
app.command(
    epilog="Example: trimtab fit amps pocket-qwen pocket-mc2:train --target image "
    "--validation pocket-mc2:validation --out amps-image"
)(fit)
app.command(epilog="Example: trimtab evaluate pocket-qwen pocket-mc2:test --artifact amps-image --limit 160")(evaluate)
app.command(
    epilog='Example: trimtab generate pocket-qwen --image cat.png --question "What animal is it?" '
    '--context "A dog sleeps on the sofa."'
)(generate)
app.command(epilog="Example: trimtab circuits pocket-qwen pocket-mc2:test --out runs/circuits")(circuits)
app.command(
    epilog="Example: trimtab interference pocket-qwen pocket-interference:test --limit 300 --out runs/interference"
)(interference)
app.command(
    epilog="Example: trimtab harden pocket-qwen pocket-interference:train --validation pocket-interference:validation "
    "--out hardened"
)(harden)
app.command(epilog="Example: trimtab report runs/demo")(report)
app.command(epilog="Example: trimtab view runs")(view)
app.command(epilog="Example: trimtab serve pocket-qwen --artifact amps-image --port 8000")(serve)
app.command(epilog="Example: trimtab play pocket-qwen --out items.jsonl")(play)
app.add_typer(models_app, name="models")
app.add_typer(artifacts_app, name="artifacts")
app.add_typer(data_app, name="data")
app.command(epilog="Example: trimtab doctor")(doctor)


def _hush(group: typer.Typer) -> None:
    """Give every verb of a group and of the groups in it ``--quiet``."""
    for command in group.registered_commands:
        if command.callback is not None:
            command.callback = with_quiet(command.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _hush(inner.typer_instance)


_hush(app)


def main() -> None:
    """Run the command line."""
    app()
