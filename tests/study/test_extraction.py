import weakref

from layerscope.data.dataset import Dataset
from layerscope.encoders import load_encoder
from layerscope.study.extraction import extract_all
from layerscope.study.options import Call
from layerscope.study.study_tasks import StudyTask


def test_no_two_encoders_are_in_memory(tones):
    task = StudyTask("tones", Dataset.from_folder(tones).survey(), "label")

    def one_by_one():
        encoders = [load_encoder("random:small")]
        first = weakref.ref(encoders[0])
        yield encoders.pop()
        assert first() is None
        yield load_encoder("mel")

    passes = extract_all(one_by_one(), [task], Call())
    assert [counts["clips_encoded"] for counts in passes.counts.values()] == [30, 30]
