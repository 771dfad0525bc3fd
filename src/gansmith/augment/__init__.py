"""Augmentation inside the game: both players are shown transformed samples, real and generated alike, so that a discriminator cannot learn
a few by heart, and the generator still learns what was not transformed.

Each transformation is done to a sample with a probability, the strength, from random numbers that are passed in. That a sample is often
left as it is keeps a transformation from showing in what is generated: what it makes of a distribution can then be undone
(arXiv:2006.06676, section 2.2, which advises at most 0.8). A game whose generated samples are shown as they are has no such promise, nor
one whose strength is 1.

few          moves and holes alone, for data of any meaning; colours, directions and scales stay what they are
diffaugment  colour, translation, cut-out, for pictures (arXiv:2006.10738)
ada          pixel blitting, general geometric and colour transformations (arXiv:2006.06676), and what lines and rows have of them
ada-mirror   the same with reflections, for data that may be seen from either side: faces and leaves, not digits, text or time's arrow
consistency  small moves, under which a discriminator's judgement should stay (arXiv:2002.04724)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from gansmith.augment import line, plane, row, values
from gansmith.augment.draws import Strength
from gansmith.augment.group import Group
from gansmith.errors import ConfigError, nearest
from gansmith.layout import Geometry


@dataclass(frozen=True)
class Policy:
    """Groups of transformations for samples of one geometry, done one after the other."""

    name: str
    geometry: Geometry
    groups: tuple[Group, ...]

    @property
    def numbers(self) -> int:
        """Uniform numbers that a sample takes."""
        return sum(group.numbers for group in self.groups)

    def __call__(self, x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
        """Each transformation done to each sample with probability `strength`; a strength of 0 changes no bit.

        x [B, C, *P], uniform [B, numbers] in [0, 1) -> as x. Differentiable in x any number of times. Row i depends on rows i of both
        alone.
        """
        for group, numbers in zip(self.groups, uniform.split([g.numbers for g in self.groups], 1), strict=True):
            x = group.apply(x, numbers, strength)
        return x


_GROUPS: dict[str, dict[Geometry, tuple[Group, ...]]] = {
    "few": {
        "plane": (plane.FEW,),
        "line": (line.SHIFTED, line.CUT_OUT),
        "row": (row.CUT_OUT,),
    },
    "diffaugment": {
        "plane": (values.DIFFAUGMENT_COLOUR, plane.TRANSLATION, plane.CUTOUT),
    },
    "ada": {
        "plane": (plane.BLIT, plane.GEOMETRIC, values.ADA_COLOUR),
        "line": (line.SHIFTED, line.GEOMETRIC, values.LEVELS),
        "row": (row.AFFINE,),
    },
    "ada-mirror": {
        "plane": (plane.MIRROR, plane.BLIT, plane.GEOMETRIC, values.ADA_COLOUR),
        "line": (line.REFLECTED, line.SHIFTED, line.GEOMETRIC, values.LEVELS),
    },
    "consistency": {
        "plane": (plane.SHIFTED,),
        "line": (line.SHIFTED,),
        "row": (row.SCALED,),
    },
}

MILD = "consistency"  # of the penalty so called, and no setting of its own
POLICIES: Mapping[str, Mapping[Geometry, Policy]] = {
    name: {geometry: Policy(name, geometry, groups) for geometry, groups in by.items()} for name, by in _GROUPS.items()
}


def policy(name: str, geometry: Geometry) -> Policy:
    """The policy of this name for samples of this geometry. ConfigError where there is none."""
    if name not in POLICIES:
        raise ConfigError(f"there is no augmentation {name!r}; {nearest(name, POLICIES)}")
    if geometry not in POLICIES[name]:
        others = " or ".join(other for other in POLICIES if geometry in POLICIES[other] and other != MILD)
        raise ConfigError(f"the augmentation {name} is for a {' or a '.join(POLICIES[name])}; these data are a {geometry}. Use {others}.")
    return POLICIES[name][geometry]
