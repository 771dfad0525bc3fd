"""What a run says of itself: signals taken from both players, the history they make, and a check for every illness."""
