import pytest

from layerscope.probes.workers import calls_elsewhere, side_by_side


def elsewhere(function, calls, order):
    for number, arguments in enumerate(calls):
        yield (number, function(*arguments), order)


def test_calls_go_elsewhere_while_that_is_said():
    with calls_elsewhere(elsewhere):
        assert list(side_by_side(pow, [(2, 3), (2, 4)], workers=1)) == [(0, 8, "as asked"), (1, 16, "as asked")]
        assert list(side_by_side(pow, iter([(2, 5)]), order="as ready")) == [(0, 32, "as ready")]
    assert list(side_by_side(pow, [(2, 3)], workers=1)) == [8]


def test_an_error_ends_it_too():
    with pytest.raises(ZeroDivisionError), calls_elsewhere(elsewhere):
        list(side_by_side(divmod, [(1, 0)]))
    assert list(side_by_side(pow, [(2, 3)], workers=1)) == [8]
