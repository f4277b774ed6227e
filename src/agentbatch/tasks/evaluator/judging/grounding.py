"""Whether a verdict stands on what is there: each quote is looked up in the piece of evidence that it names. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from agentbatch.tasks.evaluator.judging.evidence.pieces import Piece
from agentbatch.tasks.evaluator.judging.matching import ASIDE, folded, stands_in
from agentbatch.tasks.results.verdict import Quote, Requirement, Verdict

MAX_QUOTES = 100
"""Looked up in one verdict; further ones are not found."""
MAX_QUOTE = 4000
"""Characters of a quote; a longer one is not found."""
MAX_LOOKED = 50_000_000
"""Characters that are gone through for one verdict; what is not found by then is not found."""
SHOWN = 80
"""Characters of a text in a sentence to the judge."""


@dataclass(frozen=True)
class GroundedVerdict:
    """A verdict as far as its quotes hold."""

    verdict: Verdict
    """With where each quote stands; of one that is complete, requirements whose quotes do not hold are not met."""
    problems: tuple[str, ...] = ()
    """What does not hold, a sentence each, for the judge to mend."""
    misquoted: bool = False
    """All of that is the judge's own fault: what it quotes stands nowhere, or says nothing of the work."""
    unshown: tuple[str, ...] = ()
    """Requirements that are called met, and that nothing shows."""
    quotes_run: bool = False
    """A met requirement quotes something that ran with exit code 0 after the last change."""
    unquoted: str = ""
    """A sentence for the judge, where it should quote such a thing, and does not."""
    expected: frozenset[str] = field(default_factory=frozenset)
    """Refs of what failed and of which a met requirement says by its exit code that it had to."""


def ground(
    verdict: Verdict,
    pieces: Mapping[str, Piece],
    redact: Callable[[str], str],
    *,
    can_run: bool = False,
    must_run: bool = False,
) -> GroundedVerdict:
    """Look up every quote of the verdict, which is cleaned of keys already; the pieces are not (`redact`).

    `can_run`: the change can be run here, so that what ran before it shows nothing. `must_run`: one quote has to come
    from something that ran well after it."""
    lookup = _Lookup(pieces, redact)
    requirements: list[Requirement] = []
    problems: list[str] = []
    of_the_work = 0
    unshown: list[str] = []
    quoted: set[str] = set()
    expected: set[str] = set()
    for requirement in verdict.requirements:
        found = [lookup.find(quote) for quote in requirement.evidence]
        evidence = [
            quote.model_copy(
                update={"ref": piece.ref if piece else quote.ref, "where": piece.where if piece else ""}
            )
            for quote, (piece, _) in zip(requirement.evidence, found, strict=True)
        ]
        proof = [
            (piece, quote.quote)
            for quote, (piece, _) in zip(requirement.evidence, found, strict=True)
            if piece is not None and _proves(piece, can_run)
        ]
        # What a verdict that is not complete calls met decides nothing, and the coder is not to do it again.
        problem = _problem(requirement, found, proof) if requirement.met and verdict.complete else ""
        if problem:
            problems.append(problem)
            others = [piece for piece, _ in found if piece is None or not piece.of_form]
            of_the_work += not proof and bool(others) and None not in others
            unshown.append(requirement.text)
        elif requirement.met:
            quoted |= {piece.ref for piece, _ in proof if piece.ran}
            expected |= {
                piece.ref
                for quote, (piece, _) in zip(requirement.evidence, found, strict=True)
                if piece is not None and piece.failed and _says_outcome(_own(quote.quote, piece), piece)
            }
        met = requirement.met and not problem
        requirements.append(requirement.model_copy(update={"met": met, "evidence": evidence}))
    ran = [piece.ref for piece in pieces.values() if piece.ran]
    unquoted = ""
    if must_run and verdict.complete and not problems and not quoted and ran:
        refs = ", ".join(f"[{ref}]" for ref in ran[-5:])
        unquoted = f"No requirement quotes what ran after the last change with exit 0: {refs}."
    return GroundedVerdict(
        verdict.model_copy(update={"requirements": requirements}),
        tuple(problems),
        bool(problems) and not of_the_work,
        tuple(unshown),
        bool(quoted),
        unquoted,
        frozenset(expected),
    )


def _proves(piece: Piece, can_run: bool) -> bool:
    """It shows that something is done: what failed shows nothing, nor what a program printed before it was changed, nor
    what nobody has seen."""
    return not (piece.failed or piece.of_form or piece.told or (piece.stale and can_run))


def _problem(
    requirement: Requirement,
    found: "Sequence[tuple[Piece | None, str]]",
    proof: Sequence[tuple[Piece, str]],
) -> str:
    """Why a requirement that is called met is not; empty: it is."""
    name = f'Requirement "{_short(requirement.text)}"'
    wrong = next((why for piece, why in found if piece is None), "")
    if wrong:
        return f"{name} quotes {wrong}."
    if not found:
        return f"{name} is called met without evidence."
    if not proof:
        refs = ", ".join(dict.fromkeys(f"[{piece.ref}]" for piece, _ in found if piece is not None))
        if all(piece is not None and piece.of_form for piece, _ in found):
            return (
                f"{name} quotes only that files are sound in their form, which shows nothing of it: {refs}."
            )
        if all(piece is None or piece.told for piece, _ in found):
            return f"{name} quotes only what the Coder's program tells of, and nobody has seen: {refs}."
        return f"{name} quotes only what failed or what ran before the last change: {refs}."
    if not any(_says_something(words, piece) for piece, words in proof):
        refs = ", ".join(dict.fromkeys(f"[{piece.ref}]" for piece, _ in proof))
        return f"{name} quotes only how {refs} ended, and nothing of what came out."
    return ""


def _says_something(words: str, piece: Piece) -> bool:
    """That a check of the task ended well shows what it is for; that a command did, shows something only where it had
    nothing to say."""
    a_check = piece.ref[0] == "V" or (piece.ref[0] == "K" and piece.ran)
    if a_check or piece.ref[0] == "F" or not piece.text.strip():
        return True
    return not _says_outcome(_own(words, piece), piece)


class _Lookup:
    """Where quotes stand."""

    def __init__(self, pieces: Mapping[str, Piece], redact: Callable[[str], str]) -> None:
        self._pieces = pieces
        self._left = MAX_QUOTES
        self._unlooked = MAX_LOOKED
        self._texts = lru_cache(maxsize=None)(lambda ref: _texts(pieces[ref], redact))

    def find(self, quote: Quote) -> tuple[Piece | None, str]:
        """The piece in which it stands; else what it quotes, as the rest of a sentence."""
        words = quote.quote
        shown = f'"{_short(words)}"'
        if not any(character.isalnum() for character in words):
            return None, f"{shown}, in which there is no word and no number"
        self._left -= 1
        if self._left < 0 or len(words) > MAX_QUOTE:
            return None, f"{shown}, which is too much to look up"
        ref = _ref(quote.ref)
        if not ref:
            place = next((piece for piece in self._pieces.values() if self._stands(words, piece)), None)
            return (place, "") if place else (None, f"{shown}, which stands in no piece of evidence")
        if ref not in self._pieces:
            return None, f"[{ref}], but there is no such piece of evidence"
        if self._stands(words, self._pieces[ref]):
            return self._pieces[ref], ""
        other = next((p.ref for p in self._pieces.values() if self._stands(words, p)), "")
        hint = f" (but in [{other}])" if other else ""
        return None, f"{shown} from [{ref}], where it does not stand{hint}"

    def _stands(self, words: str, piece: Piece) -> bool:
        words = _own(words, piece)
        if _says_outcome(words, piece):
            return True
        text, difference = self._texts(piece.ref)
        self._unlooked -= len(text) + len(difference)
        if self._unlooked < 0:
            return False
        return stands_in(words, text) or (
            words.lstrip().startswith(("+", "-", "@")) and stands_in(words, difference)
        )


def _texts(piece: Piece, redact: Callable[[str], str]) -> tuple[str, str]:
    """What a piece says, folded, and how a file differs."""
    difference = piece.body if piece.body is not None and piece.ref.startswith("F") else ""
    return folded(redact(piece.text)), folded(redact(difference))


def _own(words: str, piece: Piece) -> str:
    """The quote without the ref and the heading in front of it, where a judge has copied these too."""
    rest = re.sub(rf"^\W*{piece.ref}\W+", "", words, flags=re.IGNORECASE)
    whole, heading = folded(rest), folded(piece.heading)
    return whole[len(heading) :] if whole.startswith(heading) and len(whole) > len(heading) else rest


def _says_outcome(words: str, piece: Piece) -> bool:
    """It is how the piece ended, alone or as its heading has it; the rest of a heading is no evidence."""
    bare = _bare(words)
    what = piece.heading.partition(",")[0].casefold()
    heads = {f"{what}, {end}" for end in piece.outcome}
    return bare in piece.outcome or bare in heads or (bool(piece.outcome) and bare == _bare(piece.heading))


def _bare(words: str) -> str:
    return " ".join(words.casefold().split()).strip(ASIDE + "[]()")


def _ref(ref: str) -> str:
    """`C2` of `[c2]` and the like; what is no ref stays as it is."""
    found = re.fullmatch(r"\W*([A-Za-z]\d{1,6})\b.*", ref.strip(), re.DOTALL)
    return found[1].upper() if found else ref.strip()


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN else f"{flat[:SHOWN]}..."
