"""Loose sentences for training: the answer among words that mean nothing.

The benchmark's training sentences are few enough to be learned by heart, and then sentences of other
splits cannot be read. Most training contexts are therefore made of random words, some of them invented,
so that the only way to answer is to find the words that matter.
"""

from __future__ import annotations

import random

from trimtab.pocket import bank
from trimtab.pocket.bank import words
from trimtab.pocket.benchmark import Writer
from trimtab.pocket.sentences import CORES, FILLERS, FRAMES

_LOOSE_SHARE = 0.65
_INTRODUCED_SHARE = 0.5
_ANSWERS = {
    word
    for names in (*bank.OBJECTS.values(), bank.SPORTS, bank.ACTIVITIES, bank.MOODS, bank.COLORS, bank.DYEABLE)
    for name in names
    for word in name.split()
}
_WORDS = tuple(
    word
    for word in words("""
    a about across after again all along also always an and any around arrived as asked at away be because been before
    behind believe between bring brought busy by came can careful certain change city close come corner could country
    day did different door down each early easy end enough even every expected far few field final finally first for
    forget found free from full gave get given glad go good great group had half happen has have he hear her here high
    him his home hope hour how idea if important in indeed inside into it its just keep kind knew know known land last
    late later learn leave letter life like list little live long look made make many may mean meet mentioned might
    moment month more most mother move much must name near need never new next nice night no noon nor not note nothing
    now of off office often old on once only or other our out outside own page paper part past people perhaps place
    please point present public put question quite rather ready real remember reply report rest road room said same saw
    say school season see seemed seen sent set shall she should show side simple since so some soon sort spoke stay
    still stop story street such suddenly summer sure take talk tell than that the their them then there these they
    this those though thought through time to today together told too toward town tried turn until
    upon us used usual very view village visit voice wait want was watch water way we week well went were what when
    where whether which while who whole why will window winter wish with without woman word work world would write
    year yes yesterday yet you young your
    accounts admired agreed already amazed announced appeared article asked became become been began beside board book
    bought bridge built calm carried catalog caught chair cheered child children chose church clear clearly collected
    common contained continued cool correct counted course court covered crowd dark dear deep delivered described
    discovered dinner directly display dream drew dry dust edge ended enjoyed enjoys entered evening everybody everyone
    exactly exciting explained famous fans farmer fell festival final fine finished fog followed forest former fresh
    friends full funny garden gathered glass grass grew group guests hall handed hardly harbor held helped hidden hold
    hung imagine inn interesting invited island joined kitchen label lane large leaves left lent lies light listed
    lively lunch main map market match meal meeting mentions message mild minute mountain museum named narrow neighbor
    neither news nobody noise noted notes noticed obviously occurred offered opened orchard order organized painted
    passed photographs picked pleased plenty pointed porch possible poster prepared presented printed probably promised
    proud pulled put quiet rain raised ran reached recalled received recently recorded regular remained remembers
    reminded repaired reported reporter river roof sat scene season seat seems served several showed shown silent sat
    sky smiled snow somebody someone somewhere spectators spent spring stands stage started station stated stayed steep
    stone stood stored sun surface surprised table tale taught team terrace themselves theory thinks title told took
    tourist tournament trail train travelled trees trip truly turned twice twenty usually valley various visibly visited
    visitors voices waited walked wall warm watched wet wide wild wind witness wooden works written yard
""")
    if word not in _ANSWERS
)  # an answer among the noise would teach not to read it
_SYLLABLES = words(
    "ba co di fra gle hu ing jo ka le mo nu ol pre qui ra st th un ver wo xi ya zen ed er ly ment tion al"
)
# What a claim must keep together, by kind; other kinds only need what is asked about and the answer.
_SLOTS = {
    "arrangement": ("the {s} {p} the {o}", "the {s} was {p} the {o}"),
    "object": ("{p}", "{p}", "the {s} {p}"),
    "count": ("{p}",),
    "sport": ("{p}",),
    "activity": ("{p}", "the person {p}"),
    "mood": ("{p}", "the person {p}"),
}
_ABOUT = ("the {s} was {p}", "the {s} {p}", "{p} the {s}", "the {s} is {p}")


def _word(rng: random.Random) -> str:
    if rng.random() < 0.8:
        return rng.choice(_WORDS)
    return "".join(rng.choices(_SYLLABLES, k=rng.randint(1, 3)))


def _words_around(rng: random.Random, core: str | None = None) -> str:
    """Random words, with the core somewhere among them."""
    around = [_word(rng) for _ in range(rng.randint(1, 6))]
    if core is not None:
        around.insert(rng.randint(0, len(around)), core)
    if len(around) > 4 and rng.random() < 0.3:
        around[rng.randint(1, len(around) - 2)] += ","
    return " ".join(around)


def _loose_core(kind: str, split: str, rng: random.Random) -> str:
    if rng.random() >= _LOOSE_SHARE:
        return rng.choice(CORES[kind][split])
    core = rng.choice(_SLOTS.get(kind, _ABOUT))
    if kind not in _SLOTS and rng.random() < 0.5:
        # What is asked about and the answer may stand apart.
        core = core.replace(" {p}", " " + " ".join(_word(rng) for _ in range(rng.randint(1, 3))) + " {p}")
    return _words_around(rng, core)


def _loose_frame(split: str, rng: random.Random) -> str:
    if rng.random() >= _LOOSE_SHARE:
        return rng.choice(FRAMES[split])
    # A claim often stands behind words that introduce it, which must not be taken for the claim itself.
    introduced = rng.random() < _INTRODUCED_SHARE
    return f"{_words_around(rng)} {rng.choice(('that ', ''))}{{c}}." if introduced else "{c}."


def _loose_fillers(split: str, rng: random.Random, number: int) -> list[str]:
    kept = rng.sample(FILLERS[split], number)
    return [_capital(_words_around(rng)) if rng.random() < _LOOSE_SHARE else filler for filler in kept]


def loose_request(_split: str, rng: random.Random) -> str:
    """A sentence that asks for something, in words that mean nothing."""
    return _capital(_words_around(rng, rng.choice(("{w}", "{n} {w}", "{w} {n}"))))


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:] + "."


LOOSE = Writer(core=_loose_core, frame=_loose_frame, fillers=_loose_fillers)
"""Writes training contexts."""
