"""What is done to the values of a sample, wherever they stand: brightness, contrast, colour.

Letters: B samples, C channels, P positions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gansmith.augment.draws import Strength, angles, normals, over
from gansmith.augment.group import Group

BRIGHTNESS = 0.2  # standard deviation of what is added, in the unit of the encoded values
CONTRAST = 0.5  # … of the power of 2 that deviations from 0 are multiplied with
SATURATION = 1.0  # … that deviations from grey are multiplied with
COLOURS = (1, 3)  # channels that together are grey or red, green and blue: any others may be no colours


def diffaugment_colour(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Brightness, saturation and contrast changed together, with probability `strength`, as in arXiv:2006.10738.

    Up to 0.5 is added, deviations from the mean of the channels are multiplied with 0 to 2, and then those from the sample's own mean
    with 0.5 to 1.5. x [B, C, *P], uniform [B, 4] -> as x
    """
    chosen, brightness, saturation, contrast = (over(number, x) for number in uniform.unbind(1))
    found = x + (brightness - 0.5)
    grey = found.mean(1, keepdim=True)
    found = grey + (found - grey) * (2.0 * saturation)
    mean = found.mean(tuple(range(1, x.ndim)), keepdim=True)
    found = mean + (found - mean) * (0.5 + contrast)
    return torch.where(chosen < strength, found, x)


def levels(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """A normal number added, and all multiplied with another one's power of 2, each with probability `strength`.

    x [B, C, *P], uniform [B, 4] -> as x. Brightness and contrast of arXiv:2006.06676, for channels of any meaning.
    """
    chosen = uniform[:, :2] < strength
    offset, factor = _levels(chosen, uniform[:, 2:4], x)
    return torch.where(over(chosen.any(1), x), factor * (x + offset), x)


def ada_colour(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation, each with probability `strength`, as in arXiv:2006.06676, appendix B.

    x [B, C, *P], uniform [B, 11] -> as x. All five are affine maps of a pixel that know the grey axis (1, 1, 1) alone, so they are done
    at once on its two parts: the grey one, the mean of the channels, and the colour, which is what is left. A luma flip, done to half of
    those that it is done to, turns the grey part's sign; hue turns the colour about the grey axis by any angle. One channel has no
    colour. Channels that are neither 1 nor 3 have brightness and contrast alone.
    """
    chosen = uniform[:, :5] < strength
    offset, factor = _levels(chosen[:, :2], uniform[:, 5:7], x)
    if x.shape[1] not in COLOURS:
        return torch.where(over(chosen[:, :2].any(1), x), factor * (x + offset), x)
    sign = over(torch.where(chosen[:, 2] & (uniform[:, 7] < 0.5), -1.0, 1.0), x)
    hue = over(angles(uniform[:, 8]) * chosen[:, 3], x)
    saturation = over(torch.exp2(SATURATION * normals(uniform[:, 9:11])[:, 0] * chosen[:, 4]), x)

    grey = x.mean(1, keepdim=True)
    colour = x - grey
    across = (colour.roll(1, 1) - colour.roll(-1, 1)) / 3**0.5  # the vector product with the grey axis
    turned = hue.cos() * colour + hue.sin() * across
    found = sign * factor * (grey + offset) + saturation * factor * turned
    return torch.where(over(chosen.any(1), x), found, x)


def _levels(chosen: Tensor, uniform: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """What is added, 0 where it is not chosen, and then multiplied with, 1 where it is not.  [B, 2], [B, 2] -> twice [B, 1, ...]"""
    brightness, contrast = (normals(uniform) * chosen).unbind(1)
    return over(BRIGHTNESS * brightness, x), over(torch.exp2(CONTRAST * contrast), x)


DIFFAUGMENT_COLOUR = Group(("colour",), 4, diffaugment_colour)
LEVELS = Group(("brightness", "contrast"), 4, levels)
ADA_COLOUR = Group(("brightness", "contrast", "luma flip", "hue", "saturation"), 11, ada_colour)
