"""Left and right in names of joints, in any common spelling; which joints mirror each other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

LEFT, RIGHT = ("left", "l", "lft", "lt"), ("right", "r", "rgt", "rt")
# As whole words in other languages, the forms of a word in the same order.
_ABROAD = {
    "links": "rechts", "linke": "rechte", "linker": "rechter", "linkes": "rechtes",
    "linken": "rechten", "li": "re", "gauche": "droite", "gauches": "droites",
    "izquierda": "derecha", "izquierdo": "derecho", "izq": "der", "sinistra": "destra",
    "sinistro": "destro", "sx": "dx", "esquerda": "direita", "esquerdo": "direito",
    "stanga": "dreapta", "vanster": "hoger", "venstre": "hojre", "vasen": "oikea",
    "lewy": "prawy", "lewa": "prawa", "lewe": "prawe", "levy": "pravy", "leva": "prava",
    "leve": "prave", "levo": "pravo", "bal": "jobb", "sol": "sag", "hidari": "migi",
    "zuo": "you", "левыи": "правыи", "левая": "правая", "левое": "правое",
}  # fmt: skip
_MORE_RIGHTS = {"gauche": ("droit",), "venstre": ("hoyre",)}
_LETTERS = (("左", "右"), ("왼", "오른"))  # in front of a name, or at its end
# Words of a name: lower case runs, a capital with what follows it, runs of capitals, numbers.
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_]+")


def split_side(name: str) -> tuple[str, tuple[str, ...]]:
    """Return ``left``, ``right`` or nothing, and the other words of a name in lower case.

    Only sides that are sure without a look at the other joints: a word of its own in front or at
    the end (``l_hip``, ``LHip``, ``hip-left``). `mirror_pairs` has the other readings.
    """
    words = _words(name)
    for place in (0, -1):
        if len(words) > 1 and words[place] in (*LEFT, *RIGHT):
            side = "left" if words[place] in LEFT else "right"
            return side, words[1:] if place == 0 else words[:-1]
    return "", words or (name.strip().lower(),)


def mirror_pairs(joints: Sequence[str]) -> list[tuple[int, int]]:
    """Return ``(left, right)`` joint numbers of names that differ in their side only.

    ``left_hip``, ``Left Hip``, ``hip-left``, ``hipLeft``, ``l_hip``, ``L.Hip``, ``lHip``, ``LHip``
    and ``hip_l`` are all left hips; so is ``lefthip`` where there is a ``righthip``; and
    ``hüfte_links``, ``hanche gauche``, ``左肩`` in some other languages. A name that has several
    readings is paired by the first that another joint answers.
    """
    by_name: dict[tuple[str, ...], list[int]] = {}
    for number, name in enumerate(joints):
        by_name.setdefault(_words(name), []).append(number)
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for number, name in enumerate(joints):
        for mirrored in _mirrored(name):
            others = [k for k in by_name.get(mirrored, ()) if k not in taken and k != number]
            if number not in taken and len(others) == 1:
                pairs.append((number, others[0]))
                taken |= {number, others[0]}
    return pairs


def torn_joint(pairs: Iterable[tuple[int, int]]) -> tuple[int, int, int] | None:
    """Return a joint and two others that pairs say it becomes in a mirror; None if they agree."""
    partner: dict[int, int] = {}
    for one, other in pairs:
        for joint, mirrored in ((one, other), (other, one)):
            if partner.setdefault(joint, mirrored) != mirrored:
                return joint, partner[joint], mirrored
    return None


def _words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, accents left out."""
    parts = unicodedata.normalize("NFKD", name.replace("ø", "o").replace("Ø", "O"))
    plain = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return tuple(word.lower() for word in _WORD.findall(unicodedata.normalize("NFC", plain)))


def _mirrored(name: str) -> list[tuple[str, ...]]:
    """Return the names, as words, that a left joint's mirror image may have."""
    words = _words(name)
    found = []
    for place, word in enumerate(words):
        for left, right in zip(LEFT, RIGHT, strict=True):
            if word == left:
                found.append((*words[:place], right, *words[place + 1 :]))
        for right in _rights_abroad(word):
            found.append((*words[:place], right, *words[place + 1 :]))
    joined = name.lower()
    if not found and "left" in joined:  # written together: lefthip, hipleft
        found.append(_words(joined.replace("left", "right")))
    if not found:  # a letter at either end of a word: lhip, hipl, LHIP
        found += [
            (*words[:n], f"r{w[1:]}", *words[n + 1 :])
            for n, w in enumerate(words)
            if w[0] == "l" and len(w) > 1
        ]
        found += [
            (*words[:n], f"{w[:-1]}r", *words[n + 1 :])
            for n, w in enumerate(words)
            if w[-1] == "l" and len(w) > 1
        ]
    return found


def _rights_abroad(word: str) -> tuple[str, ...]:
    """Return what a word for left is mirrored to in the languages that have it."""
    rights = (_ABROAD[word], *_MORE_RIGHTS.get(word, ())) if word in _ABROAD else ()
    for left, right in _LETTERS:
        if word.startswith(left) or word.endswith(left):
            rights += (word.replace(left, right),)
    return rights
