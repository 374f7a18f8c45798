"""The public root: light to import, complete, and honest about what it offers."""

import inspect
import pydoc
import subprocess
import sys

import pytest

import trimtab


@pytest.mark.parametrize("heavy", ["torch", "transformers", "matplotlib", "pandas"])
def test_importing_the_root_loads_nothing_heavy(heavy):
    code = f"import sys, trimtab; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", trimtab.__all__)
def test_every_public_name_can_be_used_and_is_documented(name):
    value = getattr(trimtab, name)
    assert name == "__version__" or value.__doc__


@pytest.mark.parametrize("name", [n for n in trimtab.__all__ if n != "__version__"])
def test_every_public_name_says_how_it_is_called(name):
    value = getattr(trimtab, name)
    parameters = inspect.signature(value).parameters.values()
    assert not any(p.kind is p.VAR_POSITIONAL for p in parameters)
    shown = pydoc.plain(pydoc.render_doc(value))
    assert all(p.name in shown for p in parameters)
    doc = inspect.getdoc(value)
    assert doc
    assert doc.splitlines()[0] in shown


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        trimtab.nonsense  # pyright: ignore[reportAttributeAccessIssue]
