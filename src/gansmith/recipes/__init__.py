"""How a recipe in which settings are left to choose becomes one in which none is."""

from gansmith.recipes.automatic import Situation, resolve_game, resolve_length

__all__ = ["Situation", "resolve_game", "resolve_length"]
