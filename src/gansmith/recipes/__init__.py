"""How a recipe in which settings are left to choose becomes one in which none is."""

from gansmith.recipes.automatic import Situation, resolve

__all__ = ["Situation", "resolve"]
