"""Every number that a check compares with, and why it is what it is. Sick runs lie well beyond them, healthy ones well short of them.

Where a comment gives what was seen, it is of runs on eight-by-eight digits, Fashion-MNIST and toy mixtures of half a minute each.
"""

from __future__ import annotations

# --- where is looked --------------------------------------------------------------------------------------------------------------------
FEWEST = 3  # examinations that must agree: two may be odd by the same chance
LATELY = 0.25  # of the examinations so far are looked at
THIRD = 2  # examinations in a third of the run, to tell progress by
YOUNG = 0.1  # of the run, before which a healthy generator is as bad as a sick one
LEARNED = 0.33  # of the run, from which a healthy one makes samples that are good as far as they go
SETTLED = 0.7  # of the run, from which a healthy one of few numbers has found the modes, on average …
ENDING = 0.9  # … and at every moment

# --- whether the samples are any good ---------------------------------------------------------------------------------------------------
FEW_NUMBERS = 16  # in a sample, up to which its distance from the data is one of neighbours (metrics.gauge)
POOR = 0.3  # distance from the data; 1 is that of one repeated mean. Healthy runs come below 0.2, sick ones stay above 0.4
HALF_REACHED = 0.6  # of the real samples that could be reached. Healthy, at the end: above 0.7 …
POOR_POINTS = 1.5  # … or, while its swings still miss some, with an average below this logarithm. Healthy rings: 0.9; sick ones: 1.7 to 11
REACHED_BY_REAL = 0.8  # of real samples have other real ones nearby, where none were held out to measure it by
BETTER = 0.9  # times the distance from the data that it was: anything less is progress …
NEARER_BY = 0.3  # … and of few numbers, whose distance is a logarithm, so much less

# --- samples ----------------------------------------------------------------------------------------------------------------------------
COLLAPSED = 0.2  # times as far apart as real samples. Healthy: 0.9 to 1.05
NARROW = 0.65  # the same, from which part of the variety is missing
NARROW_INSIDE = 0.5  # the same within a class, the median over classes. Healthy: above 0.8
OTHERS = 0.5  # of what there could be in the usual class, so that one without is an exception
NARROW_CLASS = 0.35  # spread of one class. Healthy: above 0.6
REPEATED = 0.3  # of the usual distance to the nearest other sample. Healthy: above 0.55
SHARP = 2.0  # times the usual distance to the nearest other sample, above which samples are strewn about, and none of the data is missing
MISSED = 0.35  # of what could be reached of samples of many numbers, where a slight blur already misses. Healthy: 0.45 to 1
MISSED_CLASS = 0.1  # of what could be reached of one class. Healthy: above 0.3
BELIEVED = 0.8  # of pairs told, up to which samples are good as far as they go, so that what is not reached is missing
IGNORED = 0.2  # what another condition does to a sample, over what another latent does. Healthy: 0.9 to 1.5
NEVER = 5e-3  # either answer to a condition, below which it is none
FOLLOWED = 0.7  # the same, where the discriminator does not mind a wrong condition either
UNASKED = 0.1  # of the scatter of logits, by which the discriminator minds a wrong condition. Healthy: 0.3 to 1.4
SATURATED = 0.25  # more of the values at the ends of their range than of real ones. Healthy: none
ALL_SATURATED = 0.9  # of all values at the ends: the last layer has no slope left
END_USED = 0.1  # of real values at an end of their range, from which it matters that the generator comes there
END_NEVER = 0.02  # of that share, below which it cannot. Healthy: above 0.5
BEYOND = 0.05  # of generated values outside the range of the real ones. Healthy: none
MEAN_GAP = 0.5  # standard deviations between the means. Healthy: below 0.1
DEVIATION = 2.0  # times as much, or as little, as real values vary. Healthy: 0.9 to 1.1
BORDER_GAP = 0.3  # standard deviations between the outermost places. Healthy: below 0.1
BORDER_ALONE = 2.0  # times the gap of all places, from which it is a matter of the border
WOVEN = 2.8  # times the power at the frequencies of a grid, of unseen real samples. Healthy: below 2
NEARER = 0.8  # times as far from training samples as from unseen ones. Healthy: 1 to 1.2
COPIES, MANY_COPIES = 0.1, 0.3  # of generated samples are nearly copies, beyond what real ones are
MUCH_NEARER = 0.4
TOO_FEW = 100  # training samples, of which none are held out to compare with
ALL_REACHED, CROWDED = 0.88, 0.5  # of them are reached, by samples this near each other. Healthy: 0.8 and 0.9

# --- the game ---------------------------------------------------------------------------------------------------------------------------
OVERFIT = 0.9  # of what tells training from generated samples is not there in unseen ones. 1,600 digits, healthy: up to 0.81
OVERFIT_WINS = (
    0.4  # more pairs told with training samples than with unseen ones. 1,600 digits, healthy: up to 0.34; 270 learned by heart: 0.49
)
WORSE = 1.5  # times the least distance from the data of the run, beyond which its samples have grown worse
OVERFIT_BLIND = 0.5  # of pairs told with unseen samples, below which these look less real to it than generated ones
TELLING = 0.1  # of the scatter of logits, the least difference that counts as one
ALWAYS = 0.98  # of pairs told right
NO_PULL = 0.02  # gradient at the samples, in units of loss over the spread of the data. Healthy: 0.1 to 10
NOTHING = 2e-4  # the same, below which it is no gradient at all, whoever tells what
STILL = 1e-6  # of the length of the weights, by which a step moves them. Healthy: above 1e-4
FADED = 1e-4  # times the generator's gradient that it was
SURE, OVERWHELMING = 3.0, 8.0  # logits between real and generated samples, far ones, with which a generator has lost: stuck, or not
VANISHING = ("minimax",)  # games whose gradient vanishes where the discriminator is sure
REVERSED = 0.4  # of pairs told, below which it is not blind but wrong
CANNOT_TELL = 0.6  # of pairs told, of samples that are far from the data
SLOWER = 0.1  # times the other player's step
LONG_STEP = 0.02  # of the length of the weights, by which a step moves every layer in the first half of a run. Healthy: up to 0.016
GROWN = 100.0  # times the gradient that it was
HEAVY = 1.5  # root mean square of the weights, seen from a learning rate and the step it makes. Healthy: 0.05 to 0.3
EQUALISED = ("stylegan2",)  # networks whose weights begin at 1, and are divided where they are used
STEEP = 200.0  # slope of the logit at the samples, in units of the data: weights that are far too large. Healthy: 0.1 to 10
FAST = 4.0  # times the automatic learning rate
GENTLE = 0.02  # norm of a player's gradient, below which its steps tell nothing of its weights
DRIFTED = 5.0  # times the difference between logits that they lie away from 0. Healthy: below 3
DRIFT_SCALE = 1.0  # logits; smaller differences do not make a drift of a small level
DRIFTED_AWAY = 1_000.0  # logits: what is left of 24 bits tells little
MOMENTUM = 0.7  # beta1, above which a game turns without end (arXiv:1802.10551, section 2). Healthy: 0 to 0.5
SWING = 0.05  # of the distance from the data, from one examination to the next
SPACE = 0.01  # weight of R1 and R2 over the variance of the data, as docs/penalty.md has it
WEAK_PENALTY, STRONG_PENALTY = 0.05, 30.0  # times the usual weight: a factor of three either way costs little (docs/penalty.md)
FLAT = 0.1  # scatter of all logits, beside a strong penalty

# --- the course -------------------------------------------------------------------------------------------------------------------------
LAGS, LAG_GAP = 1.5, 0.1  # times the live generator's distance from the data; and apart from it, in the spread of the data
SMALL_BATCH, BATCHES = 8, 16  # samples a step; and as many batches must be there to be had
USUAL_BATCH = 64
FEW_STEPS, FEW_OF_POINTS = 300, 1_000  # of the generator in a whole run: no healthy run was shorter; points take longer than pictures
SHORT, SHORT_OF_POINTS = 300, 500  # steps, below which nothing else is said of bad samples; points are ill of other things by then
LONGER = 10  # times as long a run is asked for, and no less than twice these steps
FALLING = 0.2  # of all that the surprise of rows fell by, in the last third of a run. Healthy: below 0.1
LOOKS = 6  # at the surprise of rows, to tell a trend by
FAULTS = ("D102", "D103", "D104", "T113", "T115", "T116")  # duplicates, near duplicates, skew, leaks
WAITING, MOSTLY_WAITING = 0.25, 0.5  # of the time
DEAD, ALL_DEAD = 0.6, 0.95  # of a player's units. Healthy: up to 0.2
DEAF = 0.5  # of the latent's numbers. Healthy: none
