import numpy as np

from layerscope.data.splits import Part
from layerscope.scores.evaluation import Outcome
from layerscope.scores.nested_choice import choosing_rows, nested_outcome
from layerscope.targets import labels_of


def outcome(scores):
    scores = np.asarray(scores, np.float32)[None]
    return Outcome(scores, scores, [], [])


def test_each_training_takes_the_layer_that_its_own_validation_clips_choose():
    labels = labels_of(["a", "b", "a", "b"])
    parts = [
        Part(np.array([], int), valid=np.array([0, 1]), test=np.array([2, 3])),
        Part(np.array([], int), valid=np.array([2, 3]), test=np.array([0, 1])),
    ]
    right, wrong = [[1, 0], [0, 1]], [[0, 1], [1, 0]]
    # The first layer is right on the first two clips alone, the second on the last two.
    first, second = outcome([*right, *wrong]), outcome([*wrong, *right])
    nested = nested_outcome([first, second], labels, parts)
    # What is right where it chooses is wrong where it is tested: no luck is left.
    assert labels.score(nested.test[0])[0] == 0
    assert labels.score(nested.valid[0])[0] == 1


def test_of_noise_the_choice_is_worth_chance_though_the_luckiest_layer_is_worth_more():
    random = np.random.default_rng(0)
    nested, luckiest = [], []
    for _ in range(60):
        labels = labels_of(list(random.permutation(np.arange(100) % 2)))
        folds = random.permutation(np.arange(100) % 5)
        parts = [Part(np.array([], int), np.flatnonzero(folds == (fold + 1) % 5), np.flatnonzero(folds == fold))
                 for fold in range(5)]  # fmt: skip
        outcomes = []
        for _ in range(12):
            # A clip is scored by two trainings, where it chooses and where it is tested, which agree on most.
            valid, test = random.normal(size=(2, 1, 100, 2)).astype(np.float32)
            outcomes.append(Outcome(valid, valid + 0.3 * test, [], []))
        nested.append(labels.score(nested_outcome(outcomes, labels, parts).test[0])[0])
        valid = [labels.score(each.valid[0])[0] for each in outcomes]
        luckiest.append(labels.score(outcomes[int(np.argmax(valid))].test[0])[0])
    # Sixty studies of 100 clips: the standard error is 0.5 / sqrt(6000).
    assert abs(np.mean(nested) - 0.5) < 4 * 0.5 / np.sqrt(6000)
    assert np.mean(luckiest) > 0.55


def test_where_few_clips_choose_those_of_the_next_trainings_do_as_well_but_never_those_that_are_tested():
    none = np.array([], int)
    single = [Part(none, np.array([(clip + 1) % 30]), np.array([clip])) for clip in range(30)]
    assert choosing_rows(single, 25).tolist() == [0, 1, 2, 3, 4, 5, 26, 27, 28, 29]
    halves = [Part(none, np.arange(10, 20), np.arange(10)), Part(none, np.arange(10), np.arange(10, 20))]
    assert choosing_rows(halves, 0).tolist() == list(range(10, 20))
    few = [Part(none, np.arange(4, 8), np.arange(4)), Part(none, np.arange(4), np.arange(4, 8))]
    assert choosing_rows(few, 0).tolist() == [4, 5, 6, 7]
