import pytest
import torch
from test_run import leaking_table

from conftest import write_tone
from layerscope.atomic_files import cache_directory
from layerscope.cli.terminal import print_check
from layerscope.encoders import MODELS
from layerscope.encoders.conformer import ConformerModel
from layerscope.errors import UsageError
from layerscope.scores.resampling import FEWEST_GROUPS
from layerscope.study.cost import check
from layerscope.study.options import make_plan
from layerscope.study.run import run


def test_the_plan_and_its_cost_are_told(tones):
    plan = make_plan({"data": tones, "model": ["random:small"], "baseline": ["mel"], "seeds": 2}, "test")
    found = check(plan, workers=1)
    assert len(found.tasks[0].study.clips) == 30
    assert found.tasks[0].hours == pytest.approx(30 * 0.4 / 3600)
    small, mel = found.costs
    assert (small.model, small.windows, small.download) == ("random:small", 30, False)
    assert small.megabytes == pytest.approx(
        30 * 5 * 64 * (4 + 10 * 2) / 1e6
    )  # a window in float32, ten frames in float16
    assert mel.megabytes == pytest.approx(30 * 128 * (6 * 4 + 10 * 2) / 1e6)
    # 8 inputs of the model (5 layers, 2 mixtures, concat), 2 of the feature: 7 mlps each (6 rates, 1 more seed);
    # linear takes the same 10, closed all but the mixtures.
    assert found.tasks[0].trainings == 10 * 7 + 10 + 8


def test_the_cost_of_sets_and_of_layers_beside_plain_features_is_told(tones):
    given = {"data": tones, "model": ["random:small"], "baseline": ["mel", "mfcc"], "probe": ["closed"]}
    plain = check(make_plan(given, "test"), workers=1).tasks[0]
    more = make_plan({**given, "layers_as": ["1+3", "search"], "beyond_plain": True}, "test")
    asked = check(more, workers=1).tasks[0]
    # The mean and side by side of 1+3, three sets that a search may find, and five layers beside a plain feature.
    assert asked.trainings == plain.trainings + 2 + 3 + 5
    assert asked.probe_minutes > plain.probe_minutes
    with pytest.raises(UsageError, match="random:small has no layer 9; it has 0-4"):
        check(make_plan({**given, "layers_as": ["1+9"]}, "test"), workers=1)


def test_nothing_is_trained_kept_or_fetched(tones):
    name = next(iter(MODELS))
    plan = make_plan(
        {"data": tones, "model": [f"random:{name}"], "baseline": [], "layers": "0-0", "probe": ["closed"]}, ""
    )
    assert check(plan, workers=1).costs[0].download is False
    assert list(cache_directory().rglob("*.safetensors")) == []


def test_the_precision_of_few_test_clips_is_told_and_how_to_test_more(tones, capsys):
    (tones / "high" / "copy.wav").write_bytes((tones / "high" / "0.wav").read_bytes())
    options = {"data": tones, "baseline": ["mel"], "probe": ["closed"]}
    found = check(make_plan(options, "test"), workers=1)
    task = found.tasks[0]
    tested = int((task.study.clips.split == "test").sum())
    assert tested < FEWEST_GROUPS
    assert task.precision == f"{tested} test clips: no intervals of fewer than 10; --folds 5 tests all 31"
    assert sum(task.counts.values()) == 31
    print_check(found)
    printed = capsys.readouterr().out
    assert f"precision: {task.precision}" in printed
    assert ", ".join(f"{name} {count}" for name, count in task.counts.items()) in printed
    assert "clips with the same bytes as another: 1;" in printed
    folds = check(make_plan({**options, "folds": 5}, "test"), workers=1).tasks[0]
    # 30 sounds, of which one stands twice: 1.96 · 0.5 / √30.
    assert folds.precision == "30 groups of test clips: accuracy to ± 18 points at worst"


def test_a_class_that_no_clip_trains_and_a_column_that_is_not_used_are_told(tmp_path, capsys):
    rows = ["path,label,split,fold"]
    for number, (split, label) in enumerate(
        [(split, label) for split in ("train", "valid", "test") for label in ("low", "high") for _ in range(3)]
        + [("test", "new")] * 2
    ):
        write_tone(tmp_path / f"{number}.wav", 200 + 20 * number)
        rows.append(f"{number}.wav,{label},{split},1")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    options = {"data": tmp_path / "clips.csv", "baseline": ["mel"], "probe": ["closed"], "folds": 5}
    print_check(check(make_plan(options, "test"), workers=1))
    printed = " ".join(capsys.readouterr().out.split())
    words = "“new” (2 test clips) is in no training clip and can never be right"
    assert f"warning: {words}" in printed
    assert "column 'fold' is not used: 'split' decides; no 5 folds are made: column 'split' decides" in printed
    facts = run(make_plan(options, "test"), tmp_path / "study").facts["tasks"]["clips"]
    assert facts["never_trained"] == {"new": 2}
    assert facts["evidence"].endswith("'split' decides; no 5 folds are made: column 'split' decides")
    assert words in (tmp_path / "study" / "report.html").read_text()


def test_a_published_model_is_not_made_to_tell_its_cost(tones, capsys, monkeypatch):
    # 1,300 MB of numbers that no check may hold: making the whole network would fail here.
    monkeypatch.setattr(ConformerModel, "__init__", refusing_depth(ConformerModel.__init__))
    found = check(
        make_plan({"data": tones, "model": ["random:muq"], "baseline": [], "probe": ["closed"]}, ""), workers=1
    )
    (cost,) = found.costs
    assert (cost.windows, cost.device) == (30, "cpu")
    assert cost.megabytes == pytest.approx(30 * 13 * 1024 * (4 + 10 * 2) / 1e6)
    assert cost.minutes > 0
    assert cost.memory > 4 * 316
    assert found.memory >= cost.memory
    print_check(found)
    printed = " ".join(capsys.readouterr().out.split())
    assert "this machine: 1 core" in printed
    assert f"{found.memory:,.0f} MB of memory at most" in printed


def refusing_depth(make):
    def refuse(self, config):
        assert config.depth == 1 or torch.empty(0).is_meta, "the whole network was made"
        make(self, config)

    return refuse


def test_leaks_are_listed_not_raised(tmp_path):
    plan = make_plan({"data": leaking_table(tmp_path, copies=True), "baseline": ["mel"], "probe": ["closed"]}, "test")
    assert check(plan, workers=1).tasks[0].leaks == ["the same audio (0.wav, 8.wav) is in train and test"]


def test_the_disk_is_estimated_rightly(tones, tmp_path):
    plan = make_plan({"data": tones, "model": ["random:small"], "probe": ["closed"]}, "test")
    estimated = sum(cost.megabytes for cost in check(plan, workers=1).costs)
    run(plan, tmp_path / "out")
    measured = sum(path.stat().st_size for path in cache_directory().rglob("*.safetensors")) / 1e6
    # What the estimate leaves out is the index of each shard: a few hundred bytes a clip.
    assert estimated < measured < estimated + 5 * 30 * 500 / 1e6


def test_the_trainings_of_folds_are_counted(tones):
    plan = make_plan({"data": tones, "baseline": "mel", "probe": "mlp,closed", "seeds": 3, "folds": 3}, "test")
    found = check(plan, workers=1).tasks[0]
    assert found.trainings == 3 * (2 * (6 + 2) + 2)
    assert found.probe_minutes > 0


def test_what_a_precision_changes_is_measured_on_the_sound_of_the_study(tones, capsys):
    options = {"data": tones, "model": ["random:small"], "baseline": ["mel"], "probe": ["closed"], "layers": "0,2-4"}
    found = check(make_plan({**options, "precision": "bf16"}, "test"), workers=1)
    small, mel = found.costs
    # A rounding of 2⁻⁹ at every product, and not of float32's 2⁻²⁴.
    assert len(small.differences) == 4
    assert all(1e-4 < share < 0.02 for share in small.differences)
    assert (mel.precision, mel.differences) == ("float32", [])
    print_check(found)
    printed = " ".join(capsys.readouterr().out.split())
    largest = max(small.differences)
    layer = small.outline.layers[small.differences.index(largest)]
    words = (
        f"random:small in bf16: states differ from those in float32 by {100 * largest:.2g} % at most, in layer {layer}"
    )
    assert words in printed
    assert f"(by layer 0: {100 * small.differences[0]:.2g} %, 2: " in printed
    print_check(check(make_plan(options, "test"), workers=1))
    assert "differ from those in float32" not in capsys.readouterr().out


def test_attention_tells_its_frames_and_trainings(tones):
    asked = {"data": tones, "model": ["random:small"], "baseline": [], "seeds": 2}
    plain, attending = (
        check(make_plan({**asked, "probe": probes}, "test"), workers=1) for probes in (["mlp"], ["attention"])
    )
    # Two frames of each clip of 0.4 s, in five layers of 64, in float16.
    assert attending.costs[0].megabytes - plain.costs[0].megabytes == pytest.approx(30 * 2 * 5 * 64 * 2 / 1e6)
    # Five layers, seven trainings each; no mixture and not all side by side.
    assert attending.tasks[0].trainings == 5 * 7
    assert attending.tasks[0].probe_minutes > 0


def test_passes_over_deformed_test_clips_are_told(tones, capsys):
    plan = make_plan({"data": tones, "model": [], "baseline": ["mel"], "probe": ["closed"]}, "test")
    before, found = check(plan, 1), check(plan.model_copy(update={"deform": ["gain:-12", "mp3:64"]}), 1)
    assert before.deformed == []
    (deformed,) = found.deformed
    # One fifth of 30 clips is tested.
    assert (deformed.model, deformed.passes, deformed.windows) == ("mel, deformed", 2, 6)
    assert deformed.megabytes == pytest.approx(2 * found.costs[0].megabytes / 5)
    assert deformed.minutes > 0
    print_check(found)
    assert "mel, deformed" in capsys.readouterr().out


def test_what_the_reach_of_layers_would_cost_is_told_where_it_is_asked(tones, capsys):
    plan = make_plan({"data": tones, "model": ["random:small"], "baseline": ["mel"], "probe": ["closed"]}, "test")
    found = check(plan, 1, reach=True)
    # 8 of 30 clips of 0.4 s, each as it is twice, and with 7 distances: 0, and five steps of the root of 2 from 20 ms.
    assert found.reach == {"random:small": pytest.approx(found.costs[0].minutes * 8 * 9 / 30)}
    print_check(found)
    assert "compare --reach: about" in capsys.readouterr().out
    assert check(plan, 1).reach == {}
