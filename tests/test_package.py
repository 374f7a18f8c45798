"""The public root: light to import, complete, and honest about what it offers."""

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


def test_contribution_can_be_called_whatever_was_imported_first():
    import trimtab.contribution  # noqa: PLC0415
    import trimtab.steering  # noqa: F401, PLC0415

    assert callable(trimtab.contribution)
    with pytest.raises(TypeError, match="missing 2 required"):
        trimtab.contribution()  # pyright: ignore[reportCallIssue]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        trimtab.nonsense  # pyright: ignore[reportAttributeAccessIssue]
