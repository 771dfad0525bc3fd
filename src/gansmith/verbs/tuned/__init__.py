"""The parts of `tune`: its folder, the study, one trial, the last judgement, and processes beside the first."""
