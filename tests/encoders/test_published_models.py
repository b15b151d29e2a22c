from layerscope.encoders import load_encoder
from layerscope.encoders.published_models import PACKAGED, catalogue, licence_of


def test_what_comes_with_the_package_is_as_listed():
    for facts in catalogue()[: len(PACKAGED)]:
        encoder = load_encoder(facts.name)
        assert (encoder.layers[-1], encoder.dim, encoder.frame_rate) == (facts.depth, facts.width, facts.frame_rate)
        assert facts.cached


def test_weights_that_are_here_are_listed_so(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path))
    listed = {facts.name: facts for facts in catalogue()}
    assert not listed["hf:m-a-p/MERT-v1-95M"].cached
    place = tmp_path / "models" / "m-a-p--MERT-v1-95M" / ("0" * 40)
    place.mkdir(parents=True)
    (place / "pytorch_model.bin").write_bytes(b"")
    assert next(facts for facts in catalogue() if facts.name == "hf:m-a-p/MERT-v1-95M").cached


def test_licences():
    assert licence_of("musicfm") == licence_of("toy-muq") == "MIT"
    assert "non-commercial" in licence_of("muq")
    assert "non-commercial" in licence_of(f"hf:m-a-p/MERT-v2-30s@{'0' * 40}")
    assert "random" in licence_of("random:muq")
    assert "plain feature" in licence_of("mel")
    assert "not known here" in licence_of("../my-model")


def test_models_whose_layers_differ_are_listed_with_the_first_and_the_last():
    listed = {facts.name: facts for facts in catalogue()}
    clap, codec = listed["hf:laion/larger_clap_music"], listed["hf:descript/dac_44khz"]
    assert (clap.widths, clap.frame_rates) == ("128–1024", "25.6–3.2")
    assert (codec.widths, codec.frame_rates) == ("64–1024", "44100–86.13")
    assert licence_of(clap.name) == "Apache-2.0"
    assert (listed["muq"].widths, listed["muq"].frame_rates) == ("1024", "25")
