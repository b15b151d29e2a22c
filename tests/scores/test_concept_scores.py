"""The map of concepts: shares of the way to perfect, and grey where nothing is shown."""

import numpy as np
import pandas as pd
import pytest

from layerscope import Features, probe
from layerscope.cli.entry_point import guarded
from layerscope.scores.concept_scores import ConceptMaps, concept_scores

GROUPS, FOLDS = 16, 8


def study(states, labels, groups):
    """Return the results of one concept, by folds of two groups."""
    folds = (groups % FOLDS).tolist()
    features = Features.from_arrays(states, labels, folds=folds, groups=list(map(str, groups)), kind="classes")
    return probe(features, probes=["closed"], seeds=1)


@pytest.fixture(scope="module")
def known():
    """Layer 0 is noise, layer 1 knows the class, layer 2 tells every second clip."""
    random = np.random.default_rng(0)
    groups, classes, _ = np.indices((GROUPS, 4, 3)).reshape(3, -1)
    states = random.normal(size=(len(groups), 3, 6))
    states[:, 1, :4] += 12 * np.eye(4)[classes]
    half = np.arange(len(groups)) % 2 == 0
    states[half, 2, :4] += 12 * np.eye(4)[classes[half]]
    return concept_scores(study(states, classes.astype(str), groups))


def test_there_is_a_row_for_each_layer(known):
    assert known.layer.tolist() == [0, 1, 2]
    assert set(known.concept) == {"features"}
    assert known.clips.tolist() == [GROUPS * 12] * 3


def test_what_is_known_is_shown_and_noise_is_not(known):
    assert known.shown.tolist() == [False, True, True]
    assert known.chosen.tolist() == [False, True, False]


def test_the_way_leads_from_chance_to_perfect(known):
    np.testing.assert_allclose(known.chance, 0.25)
    assert known.share.iloc[1] == pytest.approx(1.0)
    assert known.share.iloc[2] == pytest.approx((known.accuracy.iloc[2] - 0.25) / 0.75)
    assert 0.4 < known.share.iloc[2] < 0.7
    assert (known.share_low <= known.share).all()
    assert (known.share <= known.share_high).all()


def test_all_cells_are_held_together():
    """Of forty layers of noise some have an interval above chance, and none is shown."""
    random = np.random.default_rng(4)
    groups, classes, _ = np.indices((GROUPS, 2, 4)).reshape(3, -1)
    scores = concept_scores(study(random.normal(size=(len(groups), 40, 3)), classes.astype(str), groups))
    assert (scores.ci_low > scores.chance).any()
    assert not scores.shown.any()


@pytest.fixture
def kept(known, tmp_path):
    """A battery of one factor, as a directory keeps it; of the plain layers nothing is known of a twin."""
    scores = known.reset_index(drop=True).assign(above_twin=["", "yes", ""])
    index = {"total": 0.5, "total_low": 0.4, "total_high": 0.6, "main": 0.5, "main_low": 0.4, "main_high": 0.6}
    invariance = pd.DataFrame(
        [{"factor": "key", "model": "features", "layer": layer, **index, "shown": True} for layer in range(3)]
    )
    (tmp_path / "concepts.json").write_text('{"model": ["features"], "no_twins": true}')
    maps = ConceptMaps(scores, invariance, {"clips": 192, "minutes": 1.0, "motifs": 16, "models": {}})
    maps.save(tmp_path)
    return maps


def test_maps_are_read_as_they_were_kept_and_their_page_is_written_again(kept, tmp_path):
    read = ConceptMaps.read(tmp_path)
    assert read.facts == kept.facts
    for name in ("scores", "invariance"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(kept, name), check_dtype=False, check_exact=True)
    assert guarded(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "features in layer 1" in page
    assert "more than its untrained twin" in page
    assert (tmp_path / "figures" / "concepts.png").is_file()


def test_maps_of_two_batteries_are_not_read_as_one(kept, tmp_path, capsys):
    kept.scores.loc[0, "accuracy"] = 0.9
    kept.scores.to_csv(tmp_path / "concepts.csv", index=False)
    assert guarded(["report", str(tmp_path)]) == 3
    assert "are not of one battery" in capsys.readouterr().err
    assert ConceptMaps.read(tmp_path / "elsewhere") is None
