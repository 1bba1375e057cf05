from hypothesis import given
from hypothesis import strategies as st

from sera_cli.train.packing import best_fit, collate, evenly, packed

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=40)
RANKS = st.integers(1, 5)
BUDGET = st.integers(0, 120)


def loads(micros, size):
    return [sum(size[at] for at in micro) for micro in micros]


def test_documents_share_a_micro_batch_while_they_fit_into_its_budget():
    assert packed([6, 5, 4, 3, 2], range(5), 5, budget=10) == [[[0, 2], [1, 3, 4]]]


def test_without_a_budget_each_document_is_alone():
    assert packed([2, 3, 1], range(3), 3, budget=0) == [[[1], [0], [2]]]


def test_a_document_longer_than_the_budget_is_alone_and_whole():
    assert packed([30, 4, 5], range(3), 3, budget=10) == [[[0], [2, 1]]]


def test_a_short_document_goes_where_it_fits_best():
    """By first fit it would join the 5."""
    assert best_fit([0, 1, 2], [7, 5, 3], 10) == [[0, 2], [1]]


def test_positions_are_those_of_the_sequence_and_not_of_the_samples():
    assert packed([9, 1], [1, 0, 1, 0], 2, budget=0) == [[[1], [0]], [[3], [2]]]


def test_ranks_take_documents_of_like_length_in_the_same_round():
    """Rank 0 takes the first, third and fifth; who had the longer one before gets the shorter one next."""
    assert packed([10, 9, 8, 3, 2, 1], range(6), 6, budget=0, ranks=2) == [[[0], [1], [3], [2], [4], [5]]]


def test_a_step_that_needs_fewer_is_spread_before_it_is_filled_up():
    lengths = [9, 9, 9, 4, 3, 2, 1]

    assert packed(lengths, range(7), 3, budget=10, ranks=2) == [
        [[0], [1], [2], []], [[3], [4], [], [5]], [[6], [], [], []],
    ]  # fmt: skip


def test_ranks_share_evenly_what_fewer_micro_batches_could_hold():
    """Three would be full or nearly, 10, 11 and 3, and the fourth rank would wait."""
    step = packed([5, 5, 4, 4, 3, 3], range(6), 6, budget=12, ranks=4)[0]

    assert loads(step, [5, 5, 4, 4, 3, 3]) == [7, 7, 5, 5]


def test_nothing_to_train_on_is_no_step():
    assert packed([], [], 4, budget=10, ranks=2) == []


@given(LENGTHS, st.integers(1, 12), BUDGET, RANKS)
def test_each_step_holds_its_samples_once_and_takes_as_many_micro_batches_as_any(lengths, batch, budget, ranks):
    steps = packed(lengths, range(len(lengths)), batch, budget=budget, ranks=ranks)

    taken = [sorted(at for micro in step for at in micro) for step in steps]
    assert taken == [list(range(first, min(first + batch, len(lengths)))) for first in range(0, len(lengths), batch)]
    assert len({len(step) for step in steps}) == 1
    assert len(steps[0]) % ranks == 0
    for step in steps:
        assert all(load <= budget or len(micro) == 1 for micro, load in zip(step, loads(step, lengths), strict=True))


@given(LENGTHS, BUDGET)
def test_best_fit_leaves_no_two_bins_that_could_be_one(lengths, budget):
    filled = sorted(loads(best_fit(range(len(lengths)), lengths, budget), lengths))

    assert len(filled) == 1 or filled[0] + filled[1] > budget


@given(LENGTHS, RANKS)
def test_even_bins_differ_by_one_document_at_most(lengths, count):
    filled = loads(evenly(range(len(lengths)), lengths, count), lengths)

    assert sum(filled) == sum(lengths)
    assert max(filled) - min(filled) <= max(lengths)


@given(LENGTHS, RANKS)
def test_what_the_ranks_read_differs_by_one_document_at_most(lengths, ranks):
    step = packed(lengths, range(len(lengths)), len(lengths), budget=0, ranks=ranks)[0]

    read = [sum(loads(step[rank::ranks], lengths)) for rank in range(ranks)]
    assert max(read) - min(read) <= max(lengths)


def test_a_micro_batch_is_one_row_whose_positions_restart_with_each_document():
    made = collate([([5, 6, 7], [-100, 6, 7]), ([8, 9], [-100, 9])])

    assert {key: value.tolist() for key, value in made.items()} == {
        "input_ids": [[5, 6, 7, 8, 9]], "labels": [[-100, 6, 7, -100, 9]], "position_ids": [[0, 1, 2, 0, 1]],
    }  # fmt: skip
    assert {str(value.dtype) for value in made.values()} == {"torch.int64"}


def test_no_document_is_predicted_from_the_one_before_it():
    given_labels = [8, 9]

    assert collate([([5], [-100]), ([8, 9], given_labels)])["labels"].tolist() == [[-100, -100, 9]]
    assert given_labels == [8, 9]


def test_an_empty_micro_batch_is_one_token_that_is_not_learned():
    made = collate([], filler=3)

    assert {key: value.tolist() for key, value in made.items()} == {
        "input_ids": [[3]], "labels": [[-100]], "position_ids": [[0]],
    }  # fmt: skip


def test_flash_attention_is_told_where_documents_begin_and_end():
    made = collate([([5, 6, 7], [-100, 6, 7]), ([8, 9], [-100, 9])], bounds=True)

    assert made["cu_seq_lens_q"].tolist() == made["cu_seq_lens_k"].tolist() == [0, 3, 5]
    assert str(made["cu_seq_lens_q"].dtype) == "torch.int32"
    assert (made["max_length_q"], made["max_length_k"]) == (3, 3)


def test_a_row_is_filled_up_with_what_follows_the_last_document_and_is_not_learned():
    """Context parallelism cuts it into twice as many pieces as processes share it."""
    made = collate([([5, 6, 7], [-100, 6, 7]), ([8, 9], [-100, 9])], filler=3, multiple=4)

    assert {key: value.tolist() for key, value in made.items()} == {
        "input_ids": [[5, 6, 7, 8, 9, 3, 3, 3]], "labels": [[-100, 6, 7, -100, 9, -100, -100, -100]],
        "position_ids": [[0, 1, 2, 0, 1, 2, 3, 4]],
    }  # fmt: skip
    assert collate([], multiple=4)["labels"].tolist() == [[-100] * 4]
    assert collate([([5, 6, 7, 8], [-100] * 4)], multiple=4)["input_ids"].tolist() == [[5, 6, 7, 8]]
