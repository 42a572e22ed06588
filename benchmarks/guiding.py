"""How many of its drawn fields a hand reaches: ``python -m benchmarks guiding [SEEDS]``.

Without a microscope: simulated hands (`hcc_scope.phantom.hand_play.GuidedHand`) follow the arrow of the real guide,
each in axes of its own, and never learn. The tracker is replaced by the truth with an error, beside the tissue and in
moves too fast for it by no position. Beside naive hands stand ones that follow the arrow as it is meant, but also
overshoot, wander about, or look at something on their way: of these no arrow may be turned.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.by_hand.guide import Guide
from hcc_scope.phantom import Specimen
from hcc_scope.phantom.hand import Habits, is_fit
from hcc_scope.phantom.hand_play import GuidedHand, Screen
from hcc_scope.tracking import Place

if TYPE_CHECKING:
    from hcc_scope.phantom.hand_motion import Pose

AXES: dict[str, tuple[float, float, float, float]] = {
    "as shown": (1, 0, 0, 1),
    "mirrored in x": (-1, 0, 0, 1),
    "mirrored in y": (1, 0, 0, -1),
    "mirrored in both": (-1, 0, 0, -1),
    "knobs swapped": (0, 1, 1, 0),
    "turned by 90 degrees": (0, -1, 1, 0),
    "turned by 270 degrees": (0, 1, -1, 0),
    "swapped and mirrored": (0, -1, -1, 0),
}
"""As `GuidedHand` takes them."""
SHAPE_YX, UM_PER_PX = (1024, 1024), 0.325
SIDE_UM = 1024 * UM_PER_PX
_TISSUE = 0.1
"""Share of tissue that a position needs."""
_FASTEST = 0.5
"""Share of a field from frame to frame that can be followed."""
_STILL_S = 0.25
_STILL_UM_S = 40.0
_MOST_S = 1500.0


class WanderingHand(GuidedHand):
    """A hand that follows the arrow as it is meant, and every now and then its own mind.

    Parameters
    ----------
    share : float
        Of its strokes to the target, before how many it does something else.
    look : bool
        Whether that is to go somewhere, look, and go on; otherwise a few strokes anywhere.
    """

    def __init__(self, specimen: Specimen, seed: int, *, share: float = 0.2, look: bool = True, **more: object) -> None:
        super().__init__(specimen, seed, **more)  # type: ignore[arg-type]
        self._share, self._look = share, look

    def _follow(self, screen: Screen) -> None:
        hand = self._hand
        if not screen.within and screen.arrow_fields is not None and hand.rng.random() < self._share:
            if self._look:
                self._inspect()
            else:
                hand.push(*(SIDE_UM * hand.rng.normal(0.0, 1.0, 2)).tolist())
                hand.rest(hand.between((0.1, 0.8)))
            return
        super()._follow(screen)

    def _inspect(self) -> None:
        hand, here = self._hand, self._hand.here()
        for _ in range(40):
            angle, far_um = hand.between((0.0, 2 * math.pi)), SIDE_UM * hand.between((0.7, 4.0))
            place = here.x_um + far_um * math.cos(angle), here.y_um + far_um * math.sin(angle)
            if self._specimen.tissue_share(*place, SIDE_UM) > 0.9:
                break
        else:
            return
        for _ in range(20):
            at = hand.here()
            dx, dy = place[0] - at.x_um, place[1] - at.y_um
            far_um = math.hypot(dx, dy)
            if far_um < 0.3 * SIDE_UM:
                break
            share = min(1.0, hand.between(hand.habits.turn_um) / far_um)
            hand.push(share * dx, share * dy)
            hand.rest(hand.between((0.0, 0.6)))
        hand.rest(hand.between((0.5, 2.0)))


@dataclass
class Played:
    """What became of a guided section."""

    guide: Guide
    hand: GuidedHand
    captured: list[Pose] = field(default_factory=list)
    learned_s: list[float] = field(default_factory=list)
    """When the arrow changed, from the draw on."""

    @property
    def n_reached(self) -> int:
        """Drawn fields that were captured."""
        return 0 if self.guide.sample is None else len(self.guide.sample.reached)


def play(
    specimen: Specimen, hand: GuidedHand, *, fps: float, n_fields: int, seed: int, noise_um: float = 0.5
) -> Played:
    """Play a guided section until the hand is done."""
    rng = np.random.default_rng(seed)
    guide = Guide(SHAPE_YX, UM_PER_PX)
    played = Played(guide, hand)
    screen, last = Screen(), None
    still_s, begin_s = 0.0, 0.0
    for _ in range(round(_MOST_S * fps)):
        if hand.over:
            break
        pose = hand.next(screen)
        t_s = pose.t_s
        step_um = 0.0 if last is None else math.hypot(pose.x_um - last.x_um, pose.y_um - last.y_um)
        known = specimen.tissue_share(pose.x_um, pose.y_um, SIDE_UM) > _TISSUE and step_um < _FASTEST * SIDE_UM
        known &= pose.light > 0 and pose.lens == 1.0
        still_s = still_s + 1 / fps if known and step_um * fps <= _STILL_UM_S else 0.0
        last = pose
        dx, dy = rng.normal(0.0, noise_um, 2).tolist()
        place = Place(0, pose.x_um + dx, pose.y_um + dy, noise_um) if known else None
        if guide.see(place, t_s):
            played.learned_s.append(t_s - begin_s)
        drawn = guide.drawn_at(place) if still_s >= _STILL_S and guide.phase == "targets" and is_fit(pose) else None
        if drawn is not None:
            guide.reached(drawn, len(played.captured))
            played.captured.append(pose)
        for ask in hand.take_asks():
            if ask == "close outline":
                guide.close_outline()
            elif ask == "draw fields":
                guide.take(guide.draw(n_fields, seed))
                begin_s = t_s
            elif guide.target is not None:
                guide.skipped(guide.target, "not reachable")
        guidance = guide.guidance() if guide.phase == "targets" else None
        screen = Screen(
            phase=guide.phase,
            known=known,
            n_captured=len(played.captured),
            target=None if guidance is None else guidance.target,
            arrow_fields=None if guidance is None else guidance.arrow_fields,
            within=guidance is not None and guidance.within,
        )
    return played


HandMaker = Callable[[Specimen, int, float], GuidedHand]


def naive(axes: tuple[float, float, float, float]) -> HandMaker:
    return lambda specimen, seed, fps: GuidedHand(specimen, seed, fps=fps, axes=axes)


HANDS: dict[str, HandMaker] = {name: naive(axes) for name, axes in AXES.items()} | {
    "overshoots": lambda specimen, seed, fps: GuidedHand(specimen, seed, fps=fps, habits=Habits(reach_sd=0.25)),
    "wanders": lambda specimen, seed, fps: WanderingHand(specimen, seed, fps=fps, look=False, share=0.3),
    "looks about": lambda specimen, seed, fps: WanderingHand(specimen, seed, fps=fps, look=True),
}
"""The last three follow the arrow as it is meant."""


def main() -> None:
    seeds = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 5))
    n_fields = 8
    print(f"{len(seeds)} sections of {n_fields} drawn fields for each hand, at 10 and at 26 frames/s.")
    print("| hand | frames/s | reached, % | fewest in a section | last change of the arrow, s | changes, most |")
    print("|---|---|---|---|---|---|")
    for name, hand_of in HANDS.items():
        for fps in (10.0, 26.0):
            sections = []
            for seed in seeds:
                specimen = Specimen(seed, "hand", "S1", "high", cache_mb=16)
                sections.append(play(specimen, hand_of(specimen, seed, fps), fps=fps, n_fields=n_fields, seed=seed))
            reached = [one.n_reached for one in sections]
            learned = [one.learned_s[-1] for one in sections if one.learned_s]
            when = f"{np.median(learned):.0f} (at most {max(learned):.0f})" if learned else "-"
            print(
                f"| {name} | {fps:g} | {100 * sum(reached) / len(reached) / n_fields:.1f} | {min(reached)} | {when} |"
                f" {max(len(one.learned_s) for one in sections)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
