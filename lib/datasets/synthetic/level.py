"""How hard the pictures are: the shares and ranges that a scene is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from lib.datasets.synthetic.poses import LEGS


@dataclass(frozen=True)
class Level:
    """What may happen in an image. Shares lie within 0 to 1.

    Attributes:
        legs: activities of people, rows of ``LEGS``.
        loose_share: of the people, who move in no way that has a name.
        turned_share: of the people, who face anywhere; the others face the camera by and large.
        facing_spread: standard deviation in degrees of those others.
        stature: lowest and highest height of most people, in pixels of an image whose short side
            is 240; for one to three people.
        tiny_share: of the people, who are far away.
        huge_share: of the people, who fill the image, where few are in it.
        astray_share: of the people, who stand anywhere, even half outside.
        clutter: one more than the highest number of distracting things in the background.
        crowd_share: of the images, with a crowd region.
        occluder_share: of the people, with something in front.
    """

    legs: tuple[str, ...] = tuple(LEGS)
    loose_share: float = 0.12
    turned_share: float = 0.40
    facing_spread: float = 45.0
    stature: tuple[float, float] = (130.0, 290.0)
    tiny_share: float = 0.10
    huge_share: float = 0.14
    astray_share: float = 0.18
    clutter: int = 9
    crowd_share: float = 0.08
    occluder_share: float = 0.16


LEVELS = {
    "full": Level(),
    "easy": Level(  # what a small network learns within minutes
        legs=("stand", "contrapposto", "walk", "run", "wide", "lunge", "kick", "jump"),
        loose_share=0.0,
        turned_share=0.0,
        facing_spread=25.0,
        stature=(110.0, 200.0),
        tiny_share=0.0,
        huge_share=0.0,
        astray_share=0.0,
        clutter=4,
        crowd_share=0.0,
        occluder_share=0.0,
    ),
}
