from layerscope.atomic_files import cache_directory
from layerscope.encoders import load_encoder
from layerscope.features.encoder_pass import Pass


def test_another_encoder_or_window_is_another_store():
    stores = [
        Pass(load_encoder("random:small"), 30.0).store(cache_directory()),
        Pass(load_encoder("random:small", seed=1), 30.0).store(cache_directory()),
        Pass(load_encoder("random:small", layers="0-1"), 30.0).store(cache_directory()),
        Pass(load_encoder("random:small"), 10.0).store(cache_directory()),
        Pass(load_encoder("mel"), 30.0).store(cache_directory()),
    ]
    assert len({store.directory for store in stores}) == len(stores)
