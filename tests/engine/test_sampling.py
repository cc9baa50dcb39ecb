import itertools

import numpy as np
import pytest

from lib.engine.sampling import EpochSampler


def epoch(sampler, number=0, start=0):
    sampler.seek(number, start)
    return list(sampler)


def indices(batches):
    return [index for batch in batches for _, index in batch]


def test_every_sample_once_per_epoch_keyed_by_it():
    batches = epoch(EpochSampler(11, 3, seed=5), 7)
    assert [len(batch) for batch in batches] == [3, 3, 3, 2]
    assert sorted(indices(batches)) == list(range(11))
    assert {number for batch in batches for number, _ in batch} == {7}


def test_order_depends_on_seed_and_epoch_only():
    sampler = EpochSampler(50, 4, seed=5)
    first = epoch(sampler, 0)
    assert epoch(sampler, 1) != first
    assert epoch(EpochSampler(50, 4, seed=6), 0) != first
    assert epoch(EpochSampler(50, 4, seed=5), 0) == first


def test_no_shuffle_keeps_the_order():
    assert indices(epoch(EpochSampler(5, 2, seed=1, shuffle=False), 3)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("groups", [None, [0, 1] * 8 + [1]])
def test_position_inside_the_epoch_is_found_again(groups):
    sampler = EpochSampler(17, 3, seed=2, groups=groups)
    whole = epoch(sampler, 4)
    for start in range(len(whole) + 1):
        assert epoch(sampler, 4, start) == whole[start:]


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_together_see_the_batches_of_one_process(world):
    size, batch = 5 * world * 2, 5
    single = epoch(EpochSampler(size, batch * world, seed=3))
    ranks = [epoch(EpochSampler(size, batch, seed=3, rank=r, world=world)) for r in range(world)]
    for step, whole in enumerate(single):
        assert list(itertools.chain(*(rank[step] for rank in ranks))) == whole


def test_ranks_get_equally_many_even_if_they_do_not_divide():
    ranks = [epoch(EpochSampler(13, 2, seed=3, rank=r, world=3)) for r in range(3)]
    sizes = [[len(batch) for batch in rank] for rank in ranks]
    assert sizes == [[2, 2, 1]] * 3
    seen = [index for rank in ranks for index in indices(rank)]
    assert set(seen) == set(range(13))
    assert len(seen) == 15  # two repeated, so that three ranks step together


def test_group_batches_hold_one_group_and_all_samples():
    groups = np.array([0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0])
    sampler = EpochSampler(11, 3, seed=1, groups=list(groups))
    for number in range(5):
        batches = epoch(sampler, number)
        assert len(batches) == len(sampler) == 5  # 7 of one group, 4 of the other
        assert sorted(indices(batches)) == list(range(11))
        for batch in batches:
            assert len({groups[index] for _, index in batch}) == 1


def test_groups_alternate_at_random():
    groups = [0] * 300 + [1] * 300
    batches = epoch(EpochSampler(600, 4, seed=1, groups=groups))
    kinds = [groups[batch[0][1]] for batch in batches]
    changes = sum(a != b for a, b in itertools.pairwise(kinds))
    assert 40 < changes < 140  # of 149: neither sorted nor in strict turns


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="positive"):
        EpochSampler(0, 3, seed=1)
    with pytest.raises(ValueError, match="3 entries"):
        EpochSampler(3, 1, seed=1, groups=[0, 1])


def test_samples_of_one_source_stay_together_in_a_shuffled_order():
    sources = np.repeat(np.arange(9), [3, 1, 4, 2, 2, 5, 1, 3, 2])[::-1].copy()
    sampler = EpochSampler(23, 4, seed=7, together=sources)
    first, second = indices(epoch(sampler, 0)), indices(epoch(sampler, 1))
    for order in (first, second):
        assert sorted(order) == list(range(23))
        assert np.count_nonzero(np.diff(sources[order])) == 8  # one block for each source
    assert list(dict.fromkeys(sources[first])) != list(dict.fromkeys(sources[second]))
    shuffled = sampler.batches(0)
    assert np.concatenate(shuffled).tolist() == first
    kept = EpochSampler(23, 4, seed=7, shuffle=False, together=sources)
    assert indices(epoch(kept, 0)) == list(range(23))


SHARES = [(7, 7), (5, 12), (11, 3)]
STARTS = np.array([0, 7, 12])


def parts_of(batches):
    """Return index, row and part of the samples of an epoch."""
    index = np.array(indices(batches))
    rows = index % 23
    return index, rows, np.searchsorted(STARTS, rows, side="right") - 1


def test_every_epoch_has_the_exact_shares():
    sampler = EpochSampler(23, 4, seed=3, shares=SHARES)
    assert sampler.size == 22
    assert len(sampler) == 6
    for number in range(8):
        index, _, part = parts_of(epoch(sampler, number))
        assert np.bincount(part).tolist() == [7, 12, 3]
        assert len(set(index.tolist())) == 22  # a sample shown again has another key


def test_shares_go_through_everybody_before_anybody_comes_again():
    sampler = EpochSampler(23, 4, seed=3, shares=SHARES)
    shown = np.zeros(23, int)
    for number in range(11):  # 132 of 5 and 33 of 11: thrice and 26.4 times everybody
        _, rows, _ = parts_of(epoch(sampler, number))
        shown += np.bincount(rows, minlength=23)
        for start, (size, _) in zip(STARTS, SHARES, strict=True):
            assert np.ptp(shown[start : start + size]) <= 1
    assert set(shown[:7]) == {11}
    assert set(shown[12:]) == {3}


def test_rounds_have_orders_of_their_own():
    sampler = EpochSampler(23, 22, seed=3, shares=SHARES)
    rows = [sorted(r for r in parts_of(epoch(sampler, n))[1] if r >= 12) for n in range(8)]
    assert len({tuple(one) for one in rows}) > 5
    other = EpochSampler(23, 22, seed=4, shares=SHARES)
    assert [sorted(r for r in parts_of(epoch(other, n))[1] if r >= 12) for n in range(8)] != rows
    again = EpochSampler(23, 22, seed=3, shares=SHARES)
    assert epoch(again, 5) == epoch(sampler, 5)


def test_equal_shares_are_the_plain_order():
    plain, parts = (
        EpochSampler(23, 4, seed=3),
        EpochSampler(23, 4, seed=3, shares=[(9, 9), (14, 14)]),
    )
    assert [epoch(plain, n) for n in range(3)] == [epoch(parts, n) for n in range(3)]


def test_shares_and_sources_go_together():
    sources = np.arange(23) // 3
    sampler = EpochSampler(23, 4, seed=3, together=sources, shares=SHARES)
    _, rows, part = parts_of(epoch(sampler, 2))
    assert np.bincount(part).tolist() == [7, 12, 3]
    changes = np.count_nonzero(np.diff(sources[rows]))
    assert changes + 1 == len(set(sources[rows].tolist()))
