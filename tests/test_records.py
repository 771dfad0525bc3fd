"""Records survive being written down."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith.records import Arm, Difference, Estimate, Evaluation, Proof, Score, Setting, Verdict

words = st.text(max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
estimates = st.lists(numbers, min_size=3, max_size=3).map(sorted).map(lambda n: Estimate(n[1], n[0], n[2]))
few = {"max_size": 2}
scores = st.builds(Score, words, st.just("faithful"), st.just("lower"), estimates, st.none() | numbers, note=words, label=st.none() | words)
verdicts = st.builds(Verdict, st.just("useful"), st.just("no"), words, st.lists(words, **few).map(tuple))
arms = st.builds(Arm, words, st.integers(0, 9), st.lists(numbers, **few).map(tuple), st.dictionaries(words, numbers, **few), words)
settings = st.builds(
    Setting, words, st.none() | st.integers(1, 9), numbers, st.lists(arms, **few).map(tuple),
    st.lists(st.builds(Difference, words, words, estimates), **few).map(tuple), st.just("helps"), words, st.none() | words,
)  # fmt: skip
conditions = st.dictionaries(words, st.integers() | words, **few)


@given(
    st.builds(
        Evaluation, words, words, words, conditions, st.lists(scores, **few).map(tuple), st.lists(verdicts, **few).map(tuple),
        st.lists(words, **few).map(tuple),
    )
)  # fmt: skip
def test_an_evaluation_survives_json(evaluation: Evaluation) -> None:
    assert Evaluation.from_dict(json.loads(json.dumps(evaluation.to_dict()))) == evaluation


@given(st.builds(Proof, words, words, words, conditions, st.lists(settings, **few).map(tuple), verdicts, st.lists(words, **few).map(tuple)))
def test_a_proof_survives_json(proof: Proof) -> None:
    assert Proof.from_dict(json.loads(json.dumps(proof.to_dict()))) == proof


def test_an_interval_holds_its_value() -> None:
    assert Estimate(1.0, 0.5, 2.0).excludes_zero
    assert not Estimate(1.0, -0.5, 2.0).excludes_zero
    with pytest.raises(ValueError, match="does not hold its value 3"):
        Estimate(3.0, 0.5, 2.0)
