"""Made-up texts from a small vocabulary.

Each class has its own part of the vocabulary, so that classes can be distinguished.
"""

from __future__ import annotations

import random
import re

COMMON = re.findall(
    r"\w+",
    """
    the a of and to in is it was for on with as this that by from at an be are one film story people time way work day part world
    city market team state company report results number year first last new old good long little great small large early late
    """,
)
OWN = re.findall(
    r"\w+",
    """
    river stone garden window summer winter music paper letter bridge engine signal planet ocean forest desert mountain valley
    island harbour doctor teacher farmer soldier painter writer singer driver captain sailor apple bread butter cheese honey lemon
    onion pepper sugar water silver golden copper iron timber cotton velvet leather marble crystal hammer needle button basket
    bottle candle carpet curtain drawer kettle ladder mirror pillow saddle shovel table ticket towel train vessel wagon wheel
    whistle yellow purple orange
    """,
)
# Numbers of words, for rows one after another: as uneven as texts are, some beyond the 512 and 1,024 tokens that models take at most.
SHORT = (14, 5, 23, 1, 40, 9, 61, 17, 3, 31, 90, 12, 27, 7, 48, 19)
LONG = (120, 40, 230, 75, 700, 160, 25, 310, 90, 60, 1400, 45, 180, 110, 20, 140)
EXOTIC = ("Café naïve — “so”.", "\U0001f600", "東京 は", "straße №5", "ﬁne\u00a0print", "Ελλάδα", "it’s …", "Привет")
EVERY = [*COMMON, *OWN, *(str(number) for number in range(100))]


def sentence(source: random.Random, label: int, classes: int, length: int = 14) -> str:
    """A text of so many words, half of them from the part of the vocabulary that is its class's own."""
    share = max(1, len(OWN) // max(1, classes))
    own = OWN[(label * share) % len(OWN) :][:share] or OWN
    words = [source.choice(own) if source.random() < 0.5 else source.choice(COMMON) for _ in range(length)]
    return " ".join(words).capitalize() + "."
