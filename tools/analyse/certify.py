"""Let a score prove itself: ``python tools/analyse/certify.py RUN``, ``certify.py check FILE``.

The first writes a claim: hashes of weights, data, boxes and code, the versions, the predictions of
a tested run, and its scores with what they depend on beside the model (images, seeds, annotators).
The second scores the claimed predictions, predicts a random sample of the images again, and says
whether the claim holds, and how probably a false one would have been refused (exit code 1).
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.utils.cli import count, run_tool
from lib.utils.errors import ConfigError, DataError

if TYPE_CHECKING:
    from lib.certify.checking import Verdict


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Return the values of ``certify.py RUN``."""
    parser = argparse.ArgumentParser(
        description="Write a claim of a tested run that others can check.",
        epilog="certify.py check FILE checks a claim (certify.py check --help).",
    )
    add = parser.add_argument
    add("run", metavar="RUN", type=Path, help="folder of a run tested with tools/test.py")
    add("--out", metavar="FILE", type=Path, help="default: claim.json in RUN")
    add("--beside", nargs="*", default=[], type=Path, metavar="RUN", help="runs of other seeds")
    add("--annotators", metavar="FILE", type=Path, help="the images annotated by somebody else")
    add("--resamples", type=count, default=1000, help="draws of the bootstrap (default: 1000)")
    add("--try", type=count, default=20, dest="tried", metavar="N", help="images to predict first")
    _add_places(add)
    return parser.parse_args(argv)


def parse_check(argv: list[str]) -> argparse.Namespace:
    """Return the values of ``certify.py check FILE``."""
    parser = argparse.ArgumentParser(
        prog="certify.py check", description="Check a claim: does it hold, and how sure is that?"
    )
    add = parser.add_argument
    add("claim", metavar="FILE", type=Path, help="written by certify.py RUN")
    add("--images", type=count, default=200, metavar="N", help="to predict again (default: 200)")
    add("--inflation", type=float, default=0.3, metavar="POINTS", help="of AP (default: 0.3)")
    add("--seed", type=int, help="of the draw (default: one that nobody knows before)")
    add("--weights", metavar="FILE", type=Path, help="where the weights lie here")
    add("--json", metavar="FILE", type=Path, help="write the verdict")
    _add_places(add)
    return parser.parse_args(argv)


def _add_places(add: Any) -> None:
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    add("--device", default="cpu", help="where to compute (default: cpu)")


def main(argv: list[str] | None = None) -> dict[str, Any] | Verdict:
    """Write or check a claim.

    Raises:
        ConfigError: what is named is wrong, or does not go together.
        DataError: a file is missing, damaged, or another one.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["check"]:
        return check(parse_check(words[1:]))
    return certify(parse_args(words))


def certify(args: argparse.Namespace) -> dict[str, Any]:
    """Write the claim of a run, after a few of its predictions came out once more."""
    from lib.certify.claim import make_claim, write_claim
    from lib.certify.judging import check_claim, claim_text
    from lib.certify.opening import open_run

    predictor = open_run(args.run, args.set, args.device)
    claim = make_claim(
        predictor, args.run, beside=args.beside, second=args.annotators, resamples=args.resamples
    )
    found = check_claim(claim, predictor, images=args.tried, inflation=0.003, seed=0)
    if not found.holds:
        raise DataError(
            f"{args.run}: {'; '.join(found.faults)}. Were the weights trained further after the "
            "test, or was it given keys on the command line (--set KEY=VALUE)?"
        )
    print(claim_text(claim))
    target = args.out or args.run / "claim.json"
    write_claim(claim, target)
    print(target)
    return claim


def check(args: argparse.Namespace) -> Verdict:
    """Check a claim, print the verdict; exit code 1 if the claim does not hold."""
    from lib.certify.claim import read_claim
    from lib.certify.judging import check_claim, claim_text, verdict_text, verdict_values
    from lib.certify.opening import open_claim

    if not 0 < args.inflation < 100:
        raise ConfigError(f"--inflation must be between 0 and 100 points, got {args.inflation}.")
    claim = read_claim(args.claim)
    predictor = open_claim(
        claim, args.claim, weights=args.weights, settings=args.set, device=args.device
    )
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    found = check_claim(
        claim, predictor, images=args.images, inflation=args.inflation / 100, seed=seed
    )
    print(f"{claim_text(claim)}\n{verdict_text(found)}")
    if args.json:
        text = json.dumps(verdict_values(found), indent=1)
        args.json.write_text(f"{text}\n", encoding="utf-8")
    if not found.holds:
        sys.exit(1)
    return found


if __name__ == "__main__":
    run_tool(main)
