import pytest

from layerscope.encoders import load_encoder
from layerscope.errors import UsageError


@pytest.mark.parametrize("start", ["https://huggingface.co/", "http://hf.co/", "huggingface.co/", "hf://"])
@pytest.mark.parametrize(
    ("end", "revision"), [("", ""), ("/", ""), ("/tree/main", ""), ("/tree/v1", "@v1"), ("/blob/v1/config.json", "@v1")]
)
@pytest.mark.parametrize("before", ["", "random:"])
def test_the_address_of_a_page_is_answered_by_the_name_of_its_model(before, start, end, revision):
    with pytest.raises(
        UsageError, match=f"is the address of a page; write hf:m-a-p/MERT-v1-95M{revision} for the model"
    ):
        load_encoder(f"{before}{start}m-a-p/MERT-v1-95M{end}")


@pytest.mark.parametrize(
    "name", ["https://example.com/x.pt", "s3://a/b", "https://huggingface.co/datasets/a/b", "file:///m"]
)
def test_another_address_is_refused_as_one(name):
    with pytest.raises(UsageError, match="is an address; fetch the files and give --model their directory"):
        load_encoder(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("random:", "no model is named; write one of"),
        (" ", "no model is named"),
        ("random:mel", "'random:mel': a plain feature has no weights"),
        ("random:my.module:make", "the weights of your own encoder are its own"),
        ("random:random:muq", "write random:muq; --twins says how many draws"),
        ("random:small#2", "write random:small; --twins says how many draws"),
        ("m-a-p/MERT-v1-95M", "on the hub it would be hf:m-a-p/MERT-v1-95M"),
        ("MUQ", "did you mean 'muq'"),
    ],
)
def test_a_name_that_is_almost_one_is_answered_by_what_to_write(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        load_encoder(name)


def test_a_name_longer_than_a_file_may_have_is_no_model():
    with pytest.raises(UsageError, match="no name of a file or a model"):
        load_encoder("a" * 5000)
