"""Keys: how they are spelled, and how near one is to another."""

import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets.key import KEY_NAMES, Key, key_name
from layerscope.targets.kind import Labels


@pytest.mark.parametrize(
    ("text", "name"),
    [("Gb:maj", "Gb major"), ("F# major", "Gb major"), ("Eb minor", "Eb minor"), ("cb MAJOR", "B major"),
     ("E#:min", "F minor")],
)  # fmt: skip
def test_keys_are_read_in_their_usual_spellings(text, name):
    assert key_name(text) == name


@pytest.mark.parametrize("text", ["", "H major", "C", "C dorian", "Am", "C  major x"])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(DataError, match="not a major or minor key"):
        key_name(text)


def test_key_scores_of_the_known_relations():
    wanted = {"C major": 1.0, "G major": 0.5, "F major": 0.0, "A minor": 0.3, "C minor": 0.2, "D major": 0.0}
    for guess, expected in wanted.items():
        labels = Labels(Key(), KEY_NAMES, np.array([KEY_NAMES.index("C major")]))
        scores = np.eye(24)[[KEY_NAMES.index(guess)]]
        assert labels.score(scores, "key_score")[0] == expected
        both = 0.5 if guess == "F major" else expected
        assert labels.score(scores, "key_score_mirex")[0] == both
