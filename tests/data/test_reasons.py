from layerscope.data.reasons import kind_of_reason, reasons_by_kind


def test_reasons_that_differ_in_names_alone_are_of_one_kind():
    first, second = "record 3: 'path' a/b.wav does not exist", "record 14: 'path' c.mp3 does not exist"
    assert kind_of_reason(first) == kind_of_reason(second) != kind_of_reason("b.wav: the file is empty (0 bytes)")


def test_the_commonest_kind_comes_first_and_clips_keep_their_order():
    reasons = {"x": "it is silent", "a": "clip 1 is short", "b": "clip 2 is short"}
    assert reasons_by_kind(reasons) == [{"a": "clip 1 is short", "b": "clip 2 is short"}, {"x": "it is silent"}]
    assert reasons_by_kind({}) == []
