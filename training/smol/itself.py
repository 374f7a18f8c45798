"""Whether the language model is still itself: perplexity on plain English, and general questions."""

from __future__ import annotations

import re
from pydoc_data.topics import topics
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

PASSAGES, LONGEST = 120, 256
QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What is the capital of Portugal?", ("Lisbon",)),
    ("What is the capital of Canada?", ("Ottawa",)),
    ("What is the capital of Australia?", ("Canberra",)),
    ("What is the capital of Poland?", ("Warsaw",)),
    ("What is the capital of Turkey?", ("Ankara",)),
    ("What is the capital of Ireland?", ("Dublin",)),
    ("What is the largest planet in our solar system?", ("Jupiter",)),
    ("Which planet is known as the Red Planet?", ("Mars",)),
    ("What is the chemical symbol for gold?", ("Au",)),
    ("What is the chemical formula of water?", ("H2O", "H₂O")),
    ("Which gas do plants take in from the air?", ("carbon dioxide", "CO2")),
    ("At how many degrees Celsius does water boil?", ("100",)),
    ("How many days are there in a leap year?", ("366",)),
    ("How many minutes are there in an hour?", ("60", "sixty")),
    ("How many legs does a spider have?", ("eight", "8")),
    ("How many sides does a triangle have?", ("three", "3")),
    ("How many continents are there?", ("seven", "7")),
    ("What is 7 plus 5?", ("12", "twelve")),
    ("What is 6 times 4?", ("24", "twenty-four")),
    ("What is 20 minus 8?", ("12", "twelve")),
    ("Who wrote Romeo and Juliet?", ("Shakespeare",)),
    ("Who painted the Mona Lisa?", ("Leonardo", "Vinci")),
    ("Who developed the theory of general relativity?", ("Einstein",)),
    ("Who was the first president of the United States?", ("Washington",)),
    ("Which ocean lies between Europe and North America?", ("Atlantic",)),
    ("What is the longest river in Africa?", ("Nile",)),
    ("What is the highest mountain in the world?", ("Everest",)),
    ("On which continent is the Sahara desert?", ("Africa",)),
    ("In which country is the Eiffel Tower?", ("France",)),
    ("In which city is the Colosseum?", ("Rome",)),
    ("What is the currency of Japan?", ("yen",)),
    ("What is the currency of the United Kingdom?", ("pound", "sterling")),
    ("Which organ pumps blood through the body?", ("heart",)),
    ("Which animal is known as the king of the jungle?", ("lion",)),
    ("What do bees make?", ("honey",)),
    ("What is frozen water called?", ("ice",)),
    ("Which season comes after winter?", ("spring",)),
    ("Which month comes after June?", ("July",)),
    ("What color do you get when you mix blue and yellow?", ("green",)),
    ("What is the last letter of the English alphabet?", ("Z",)),
    ("What is the opposite of day?", ("night",)),
    ("What is the plural of mouse?", ("mice",)),
    ("Which language is spoken in Mexico?", ("Spanish",)),
    ("What is the square root of 81?", ("9", "nine")),
    ("In which year did World War II end?", ("1945",)),
    ("Which metal is attracted to magnets?", ("iron",)),
    ("What do we call a baby cat?", ("kitten",)),
    ("What is the largest mammal on Earth?", ("whale",)),
)
"""General questions, none of them in the benchmark, and words of which a right answer has one."""


class Itself(NamedTuple):
    """What a language model can do without pictures."""

    perplexity: float
    answered: int
    questions: int


@torch.no_grad()
def itself(language: Any, tokenizer: Any) -> Itself:
    """Measure a language model with its head, on the device it is on."""
    return Itself(_perplexity(language, tokenizer), sum(_answers(language, tokenizer)), len(QUESTIONS))


def passages() -> list[str]:
    """Plain English that comes with every Python: paragraphs of its manual, without code."""
    found = []
    for name in sorted(topics):
        for paragraph in topics[name].split("\n\n"):
            text = re.sub(r"[`*]", "", " ".join(paragraph.split()))
            if not paragraph.startswith(" ") and len(text.split()) >= 60 and text[0].isupper():
                found.append(text)
    return found[:: max(1, len(found) // PASSAGES)][:PASSAGES]


def _perplexity(language: Any, tokenizer: Any) -> float:
    total, count = 0.0, 0
    start = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    for text in passages():
        ids = torch.tensor([[start, *tokenizer(text, add_special_tokens=False)["input_ids"][:LONGEST]]])
        ids = ids.to(language.device)
        logits = language(input_ids=ids, use_cache=False).logits[0, :-1].float()
        total += float(F.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += ids.shape[1] - 1
    return float(torch.tensor(total / count).exp())


def _answers(language: Any, tokenizer: Any) -> list[bool]:
    right = []
    for question, accepted in QUESTIONS:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": [{"type": "text", "text": question}]}],
            add_generation_prompt=True,
            tokenize=False,
        )
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").to(language.device)
        made = language.generate(**ids, do_sample=False, max_new_tokens=24, pad_token_id=0)
        answer = tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        right.append(any(re.search(rf"\b{re.escape(word)}\b", answer, re.IGNORECASE) for word in accepted))
    return right
