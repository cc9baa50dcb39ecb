"""What our modules do that somebody is about to remove is an error under pytest."""

import warnings

import pytest

WARN = "import warnings; warnings.warn('will go', {}, stacklevel=1)"


@pytest.mark.parametrize("kind", ["DeprecationWarning", "FutureWarning"])
@pytest.mark.parametrize("module", ["lib.engine.fit", "tests.engine.test_fit", "train_script"])
def test_what_will_go_is_an_error_of_ours(kind, module):
    with pytest.raises((DeprecationWarning, FutureWarning), match="will go"):
        exec(WARN.format(kind), {"__name__": module})


@pytest.mark.parametrize("module", ["torch.jit", "library.a"])
def test_what_others_do_among_themselves_is_a_warning(module):
    with warnings.catch_warnings(record=True) as seen:
        exec(WARN.format("DeprecationWarning"), {"__name__": module})
    assert len(seen) == 1
