import pytest

from layerscope.errors import UsageError
from layerscope.study.options import Plan, make_plan, read_plan


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('data = "x"\nmodels = ["muq"]\n', "unknown key 'models'; did you mean 'model'"),
        ('data = "x"\nmodel = ["muq"]\nseeds = 0\n', "'seeds': Input should be greater than or equal to 1"),
        ('data = "x"\nmodel = ["muq"]\nprobe = ["mpl"]\n', "unknown probe 'mpl'; did you mean 'mlp'"),
        ('data = "x"\nbaseline = ["mfc"]\n', "unknown baseline 'mfc'; did you mean 'mfcc'"),
        ('data = "x"\nbaseline = []\n', "nothing to study"),
        ("data = \n", "not readable as TOML"),
        ('model = ["muq"]\n', "no data; give --data, --task"),
        ('task = ["gtzan"]\n', "unknown task 'gtzan'; did you mean 'gtzan-"),
        ('data = "x"\ntask = ["emo"]\n', "--data and --task are two studies"),
        ('data = "x"\nkind = "tags"\ntarget = ["a", "b"]\n', "'kind' is of a single target"),
    ],
)
def test_a_study_file_that_is_wrong_says_where(tmp_path, written, words):
    (tmp_path / "study.toml").write_text(written)
    with pytest.raises(UsageError, match=words):
        read_plan(tmp_path / "study.toml")


def test_a_study_file_says_what_options_say(tmp_path, tones):
    (tmp_path / "study.toml").write_text('data = "tones"\nmodel = ["random:small"]\nbaseline = ["mel"]\nseeds = 3\n')
    plan = read_plan(tmp_path / "study.toml")
    assert plan == Plan(data=tones, model=["random:small"], baseline=["mel"], seeds=3)


def test_the_paper_preset_is_the_study_of_fourteen_tasks():
    plan = make_plan({"preset": "paper", "model": ["muq", "musicfm"]}, "command line")
    assert len(plan.task) == 14
    assert (plan.probe, plan.seeds) == (["mlp"], 1)
    own = make_plan({"preset": "paper", "task": ["emo"], "seeds": 3}, "command line")
    assert (own.task, own.seeds) == (["emo"], 3)
