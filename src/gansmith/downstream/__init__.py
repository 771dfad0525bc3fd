"""Models that are trained on samples, to learn what the samples are worth: training sets, classical augmentation, models, judgement."""
