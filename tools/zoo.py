"""Published weights by name: ``python tools/zoo.py list|show|get|verify|pack|push``.

    list [WORD ...]      names with every word in them or in their facts: list pose coco, list trunk
    show NAME or FILE    what the index, or the model card in a file, says
    get NAME ...         fetch what is not there yet, and print where it lies
    verify [NAME ...]    compare fetched files with their published hashes; without names: all
    pack FILE OUT        write a weight file of a run as one to give away, without your paths
    push FILE ORG/NAME   upload a weight file of a run to the Hugging Face hub

Where files go and come from: EFEPOSE_HOME, EFEPOSE_ZOO_MIRROR, EFEPOSE_ZOO_INDEX, EFEPOSE_OFFLINE.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from lib.utils.cli import run_tool
from lib.utils.errors import DataError, WeightsError
from lib.utils.files import read_json
from lib.utils.logging import setup_logging
from lib.zoo.card import SUFFIX, is_safetensors, read_card
from lib.zoo.fetch import OFFLINE, cached, file_hash
from lib.zoo.hub import card_lines, push
from lib.zoo.index import Published, load_index
from lib.zoo.pack import pack
from lib.zoo.resolve import is_published, published, resolve_weights

ADVICE = "give a metrics.json of tools/test.py"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--offline", action="store_true", help="fetch nothing")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list").add_argument("words", nargs="*", metavar="WORD")
    commands.add_parser("show").add_argument("name", metavar="NAME or FILE")
    commands.add_parser("get").add_argument("names", nargs="+", metavar="NAME")
    commands.add_parser("verify").add_argument("names", nargs="*", metavar="NAME")
    packing = commands.add_parser("pack")
    packing.add_argument("file", metavar="FILE")
    packing.add_argument("out", type=Path, metavar="OUT.safetensors")
    packing.add_argument("--half", action="store_true", help="float16: half the size")
    packing.add_argument("--licence", default="", help="of the weights: apache-2.0, cc-by-nc-4.0")
    packing.add_argument("--note", default="", help="what it is for, and where it fails")
    packing.add_argument("--scores", type=Path, metavar="metrics.json", help="of tools/test.py")
    sending = commands.add_parser("push")
    sending.add_argument("file", metavar="FILE")
    sending.add_argument("repository", metavar="ORG/NAME")
    sending.add_argument("--licence", default="", help="of the weights: apache-2.0, cc-by-nc-4.0")
    sending.add_argument("--private", action="store_true")
    for command in commands.choices.values():  # where people write it; absent, the one above holds
        command.add_argument("--offline", action="store_true", default=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> list[str]:
    """Do what the command says; return the printed lines."""
    args = build_parser().parse_args(argv)
    setup_logging()
    if args.offline:
        os.environ[OFFLINE] = "1"
    if args.command == "list":
        lines = list_entries(args.words)
    elif args.command == "show":
        lines = show(args.name)
    elif args.command == "get":
        lines = [str(resolve_weights(name)) for name in args.names]
    elif args.command == "verify":
        lines = verify(args.names)
    elif args.command == "pack":
        lines = pack_file(args)
    else:
        file = resolve_weights(args.file)
        address = push(file, args.repository, licence=args.licence, private=args.private)
        lines = [f"{args.file} is {address} now"]
    print("\n".join(lines))
    return lines


def list_entries(words: list[str]) -> list[str]:
    """Return a line per entry that has all ``words``; ``*`` marks what is on this machine."""
    entries = [entry for entry in load_index().weights.values() if matches(entry, words)]
    if not entries:
        return [f"nothing in the zoo has all of: {', '.join(words)}"]
    width = max(len(entry.name) for entry in entries)
    there = {entry.name for entry in entries if entry.here or cached(entry.file)}
    return [
        f"{'*' if entry.name in there else ' '} {entry.name:<{width}}  {entry.use:<8}  "
        f"{entry.headline() or entry.trained_on}".rstrip()
        for entry in sorted(entries, key=lambda entry: (entry.use, entry.name))
    ]


def matches(entry: Published, words: list[str]) -> bool:
    """Return whether all ``words`` stand in an entry's name or facts."""
    facts = f"{entry.name} {entry.use} {entry.layout} {entry.trained_on} {entry.experiment}".lower()
    return all(word.lower() in facts for word in words)


def show(name: str) -> list[str]:
    """Return what is known of an entry of the index, and of a file's card.

    Raises:
        WeightsError: there is no such thing, or nothing is known of it.
    """
    if not is_published(name):
        path = resolve_weights(name)
        lines = card_lines(read_card(path))
        if not lines:
            raise WeightsError(f"{path} has no model card.")
        return [str(path), *lines]
    entry = published(name)
    there = entry.here or cached(entry.file, entry.sha256)
    facts = {
        "address": entry.url,
        "file": there or "not fetched yet",
        "sha256": entry.sha256 or "not stated",
        "licence": entry.licence or "not stated",
        "key names": entry.layout,
        "experiment": entry.experiment,
        "settings": " ".join(entry.settings),
        "trained on": entry.trained_on,
        "input": entry.input and "{} x {}".format(*entry.input),
        "joints": entry.joints,
        "note": entry.note,
    }
    lines = [f"{entry.name} ({entry.use})"]
    lines += [f"{key}: {value}" for key, value in facts.items() if value]
    if entry.speaks_for_itself and there:
        lines += card_lines(read_card(there))
    for result in entry.results:
        metrics = ", ".join(f"{key} {value:g}" for key, value in result["metrics"].items())
        boxes = f" (boxes: {result['boxes']})" if result.get("boxes") else ""
        lines.append(f"published on {result['dataset']}{boxes}: {metrics}")
    return lines


def pack_file(args: argparse.Namespace) -> list[str]:
    """Write a file to give away; return what it says about itself.

    Raises:
        WeightsError: it already exists, its name has another ending, or it cannot be made.
        DataError: the scores are none.
    """
    file = resolve_weights(args.file)
    itself = args.out.exists() and args.out.samefile(file) and not args.half  # only its card anew
    if not is_safetensors(args.out) or (args.out.exists() and not itself):
        raise WeightsError(f"{args.out} must be a new file that ends in {SUFFIX}.")
    facts: dict[str, object] = {"licence": args.licence, "note": args.note}
    if args.scores:
        facts["scores"] = read_scores(args.scores)
    content = pack(file, facts, half=args.half)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    part = args.out.with_name(f"{args.out.name}.part")
    part.write_bytes(content)
    part.replace(args.out)
    digest = file_hash(args.out)
    size = f"{len(content) / 2**20:.2f} MB, sha256 {digest}"
    return [f"{args.out}: {size}", *card_lines(read_card(args.out))]


def read_scores(path: Path) -> dict[str, object]:
    """Return of a report of ``tools/test.py`` what a card says.

    Raises:
        DataError: it is no such report.
    """
    report = read_json(path, "score", ADVICE)
    keys = ("metrics", "dataset", "boxes")
    if not isinstance(report, dict) or not isinstance(report.get("metrics"), dict):
        raise DataError(f"{path} has no table of metrics: {ADVICE}.")
    return {key: report.get(key) for key in keys}


def verify(names: list[str]) -> list[str]:
    """Return a line per file with its state.

    Raises:
        WeightsError: a file is not what was published; all are named.
    """
    index = load_index()
    chosen = [index.find(name.removeprefix("zoo:")) for name in names] or index.weights.values()
    places = {entry.name: entry.here or cached(entry.file) for entry in chosen}
    found = [(entry, path) for entry in chosen if (path := places[entry.name]) is not None]
    lines, wrong = [], []
    for entry, path in found:
        digest = file_hash(path)
        right = digest.startswith(entry.sha256)
        state = ("as published" if entry.sha256 else "no hash is published") if right else "DAMAGED"
        lines.append(f"{entry.name}: {state}, sha256 {digest[:16]}, {path}")
        wrong += [] if right else [str(path)]
    if wrong:
        raise WeightsError(f"Not what was published: {', '.join(wrong)}; delete and fetch again.")
    absent = [name for name, path in places.items() if path is None] if names else []
    lines += [f"{name}: not fetched yet" for name in absent]
    return lines or ["nothing of the zoo is on this machine"]


if __name__ == "__main__":
    run_tool(main)
