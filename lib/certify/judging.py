"""A claim and the files that are here -> a verdict, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lib.certify.checking import (
    SURE,
    Verdict,
    check_predictions,
    compare_scores,
)
from lib.certify.comparing import JOINT_TOLERANCE, SCORE_TOLERANCE
from lib.certify.files import check_files, check_pictures
from lib.certify.influence import Evidence
from lib.certify.predicting import SplitPredictor
from lib.evaluation.coco_files import Rows
from lib.utils.numbers import number


def check_claim(
    claim: dict[str, Any], predictor: SplitPredictor, *, images: int, inflation: float, seed: int
) -> Verdict:
    """Check files and scores, then the predictions of drawn images; see ``lib.certify.checking``.

    Where the files or scores are not the claimed ones, nothing is predicted.

    Args:
        claim: its content.
        predictor: of the files that are here.
        images: how many to draw.
        inflation: rise of AP, in [0, 1], that the probabilities are told for.
        seed: of the draw.
    """
    faults, notes = check_files(claim, predictor)
    evidence = Evidence.read(claim["metric"], predictor.content, claim["predictions"])
    faults += compare_scores(claim["scores"], evidence.numbers)
    labels = evidence.subject.table.image_ids
    if faults:
        return Verdict(total=len(labels), seed=seed, faults=faults, notes=notes)

    def predict(chosen: Sequence[Any], noise: float, noise_seed: int) -> Rows:
        if not noise:
            faults.extend(check_pictures(claim, predictor, set(chosen)))
        return predictor(chosen, noise, noise_seed)

    verdict = check_predictions(
        evidence,
        predictor.most_poses(labels),
        predict,
        images=images,
        inflation=inflation,
        seed=seed,
    )
    verdict.faults[:0], verdict.notes[:0] = faults, notes
    return verdict


def verdict_text(verdict: Verdict) -> str:
    """Return what a check found as sentences."""
    lines = [f"note: {note}" for note in verdict.notes]
    if not verdict.holds:
        return "\n".join([*lines, *(f"DOES NOT HOLD: {fault}." for fault in verdict.faults)])
    equal = verdict.drawn - len(verdict.ties)
    points = 100 * verdict.inflation
    lines += [
        f"HOLDS: of {verdict.total} images {verdict.drawn} were predicted again (seed "
        f"{verdict.seed}); {equal} came out the same within {JOINT_TOLERANCE:g} pixels and "
        f"{SCORE_TOLERANCE:g} of scores, {len(verdict.ties)} within the noise of rounding.",
        f"Had predictions been changed so that AP rose by {points:g} points or more, this check "
        f"would have failed with a probability of at least {verdict.rate:.3f}, even for the worst "
        f"choice of images; that becomes {SURE:g} with --images {verdict.needed}.",
        f"With {SURE:g} it would have seen any change in {verdict.spread} images or more, and a "
        f"rise of AP by {100 * verdict.sure:.2f} points or more.",
        "A score that its predictions do not have, other weights, data or boxes are always seen.",
    ]
    return "\n".join(lines)


def claim_text(claim: dict[str, Any]) -> str:
    """Return a claim's scores and doubts as lines."""
    doubt, lines = claim["doubt"], []
    scores = ", ".join(
        f"{n} {number(math.nan if v is None else v, 4)}" for n, v in claim["scores"].items()
    )
    images = doubt["images"]
    lines.append(f"{claim['weights']['file']} on {claim['data']['annotation']['file']}: {scores}")
    lines.append(
        f"doubt of images: AP between {images['low']:.4f} and {images['high']:.4f} (95 %, "
        f"{images['resamples']} resamples)"
    )
    seeds, other = doubt["seeds"], doubt["annotators"]
    lines.append(
        "doubt of seeds: unknown (give runs of other seeds: --beside RUN)"
        if seeds is None
        else f"doubt of seeds: {seeds['score']} {seeds['mean']:.4f} +- {seeds['half width']:.4f} "
        f"(95 %), deviation {seeds['deviation']:.4f} over {len(seeds['values'])} runs"
    )
    lines.append(
        "doubt of annotators: unknown (give a second annotation file: --annotators FILE)"
        if other is None
        else f"doubt of annotators: AP {other['AP']:.4f} by the second, {other['minus first']:+.4f}"
    )
    return "\n".join(lines)


def verdict_values(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain values for JSON, None for what is infinite."""
    values = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(verdict).items()
    }
    return {"holds": verdict.holds, **values}
