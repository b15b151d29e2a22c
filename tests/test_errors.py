from layerscope.errors import AudioError, DataError, LayerscopeError, ModelError, ResourceError, UsageError, unknown


def test_the_nearest_name_is_suggested():
    assert str(unknown("probe", "mpl", ["mlp", "linear"])) == "unknown probe 'mpl'; did you mean 'mlp'?"


def test_all_names_are_listed_where_none_is_near():
    assert str(unknown("probe", "xyz", ["mlp", "linear"])) == "unknown probe 'xyz'; known: linear, mlp"


def test_exit_codes_are_those_documented():
    codes = {LayerscopeError: 1, UsageError: 2, DataError: 3, AudioError: 3, ModelError: 4, ResourceError: 5}
    assert all(error.exit_code == code for error, code in codes.items())
