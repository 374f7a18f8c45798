"""Releases that folders can be written of, a file a family, found by their place.

A file says what lies in the published folders: facts, no arithmetic of its own. It holds

- a ``Published``: the family's ``model_type``, its tokenizer (``Tokens``), how its published tensors are named, and
  ``files``;
- ``files(made)``, which returns what the small files hold by their names: ``config.json``, ``generation_config.json``,
  ``preprocessor_config.json``, ``tokenizer_config.json`` (of ``made.tokenizer_config``), and whatever else is
  published: ``processor_config.json``, ``chat_template.json`` or ``.jinja``. A dictionary is written as JSON, a text
  as it is. ``made.sizes`` has the sizes, ``made.ids`` the ids of special tokens, ``made.dtype`` and ``made.tied`` what
  they say. Keys are spelt as published, old spellings and keys that nothing reads any more among them; what the
  published file leaves out is left out;
- ``register(Release(...), ...)``: each release by a name, with its sizes.

``llava.py`` is a whole one; what several families share is in a file beside theirs, as in ``qwen.py``. The module's
docstring says where its facts come from: *found* in a public source that quotes the published file, *by default* of
transformers or its conversion script, *as remembered* and not looked up, or *made up*. Templates are written anew and
render as the published ones do for turns of text and media, as far as these are known.

``tests/testing/test_realistic.py`` then loads each release at small sizes.
"""

from trimtab.registry import import_inside

import_inside(__name__, __path__)
