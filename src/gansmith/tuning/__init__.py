"""What a search over settings is made of, without a search: the space, the budget, the measure, and what was found."""
