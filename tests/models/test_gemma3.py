"""What is Gemma 3's alone: pictures whose tokens see each other, told by a tensor that callers leave out."""

from typing import Any

import torch

from trimtab.engine import Prompt, encode
from trimtab.testing import picture, tiny_model
from trimtab.testing.conformance.comparing import same


def test_pictures_are_masked_even_if_token_types_are_left_out():
    model = tiny_model("gemma3", check=False)
    encoded = encode(model, Prompt("What is it?", [picture(0), picture(1, (84, 56))]))
    given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    bare = {name: tensor for name, tensor in given.items() if name != "token_type_ids"}
    hf: Any = model.hf
    assert torch.equal(hf(**bare).logits, hf(**given).logits)
    options = {"max_new_tokens": 4, "do_sample": False, "output_scores": True, "return_dict_in_generate": True}
    first, second = hf.generate(**bare, **options).scores[0], hf.generate(**given, **options).scores[0]
    assert torch.equal(first, second)
    same("logits", second, hf(**given).logits[:, -1])
