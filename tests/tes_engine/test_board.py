"""The board: every group is claimed once, whoever dies, and what was claimed is known."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tes_engine.board import IDLE, Board


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(str(tmp_path / "board.bin"), 3, 4)


def test_each_batch_is_owned_once_in_the_order_given(board: Board) -> None:
    order = [2, 0, 1]
    assert [board.own(worker, order) for worker in (0, 1, 2, 3)] == [2, 0, 1, None]


def test_each_goes_forward_through_its_part_and_takes_the_back_half_of_the_largest(board: Board) -> None:
    board.own(0, [1])
    assert board.collected(0, 1, 9, 7, 0.1) and board.collected(3, 1, 9, 7, 0.2)
    assert not board.collected(2, 1, 4, 8, 0.1), "it has found something else"
    assert [board.claim(0, 1), board.claim(3, 1), board.claim(0, 1), board.claim(3, 1)] == [0, 5, 1, 6]
    assert board.parts(1) == [(2, 5), (0, 0), (0, 0), (7, 9)] + [(0, 0)] and board.left(1) == 5
    assert (board.peek(2, 1), board.claim(2, 1)) == (3, 3)
    assert [board.claim(3, 1), board.claim(3, 1), board.claim(3, 1), board.claim(3, 1)] == [7, 8, 4, 2]
    assert board.claim(3, 1) is board.peek(3, 1) is board.claim(0, 1) is None
    assert (board.slot(3).batch, board.slot(3).group) == (1, 2)


def test_what_a_dead_worker_owned_is_open_again_and_what_it_held_is_told(board: Board) -> None:
    order = [0, 1, 2]
    board.own(0, order)
    board.collected(0, 0, 3, 1, 0.1)
    board.claim(0, 0)
    board.own(1, order)
    held, owned = board.abandon(0)
    assert (held.batch, held.group, owned) == (0, 0, [0]) and board.slot(0) == IDLE
    assert board.own(2, order) == 0, "it comes before those that nobody has begun"
    assert [board.claim(2, 0), board.claim(2, 0), board.claim(2, 0)] == [1, 2, None]


def test_a_worker_killed_between_the_notes_of_a_claim_has_claimed_nothing(board: Board) -> None:
    board.own(0, [0])
    board.collected(0, 0, 2, 1, 0.1)
    board._hold(0, board.slot(0)._replace(batch=0, group=0))  # noted in its slot, and then no more
    held, _ = board.abandon(0)
    assert held == IDLE and board.own(1, [0]) == 0 and board.claim(1, 0) == 0


def test_a_worker_killed_while_it_takes_from_another_has_claimed_nothing(board: Board) -> None:
    board.own(0, [0])
    board.collected(0, 0, 4, 1, 0.1)
    board._hold(1, board.slot(1)._replace(batch=0, group=2))  # noted in its slot, and then no more
    held, _ = board.abandon(1)
    assert held == IDLE and [board.claim(0, 0) for _ in range(5)] == [0, 1, 2, 3, None]


@pytest.mark.parametrize("seed", range(20))
def test_whoever_dies_no_group_is_lost_or_claimed_twice(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    sizes = [chance.randrange(6) for _ in range(5)]
    board = Board(str(tmp_path / "board.bin"), len(sizes), 3)
    order = list(range(len(sizes)))
    chance.shuffle(order)
    working: dict[int, int] = {}
    done: list[tuple[int, int]] = []
    for _ in range(10_000):
        worker = chance.randrange(3)
        if chance.random() < 0.05:
            held, _ = board.abandon(worker)
            if held.batch >= 0:
                done.append((held.batch, held.group))  # the next worker in its place is told to run it
            working.pop(worker, None)
            continue
        batch = working.get(worker)
        if batch is None:
            batch = board.own(worker, order)
            if batch is None:
                helping = [b for b in order if board.left(b)]
                if not helping:
                    break
                batch = chance.choice(helping)
            board.collected(worker, batch, sizes[batch], batch, 0.0)
            working[worker] = batch
        group = board.claim(worker, batch)
        if group is None:
            del working[worker]
        elif chance.random() < 0.9:
            board.put_down(worker)
            done.append((batch, group))
        else:  # it dies with the group in its hands
            held, _ = board.abandon(worker)
            done.append((held.batch, held.group))
            del working[worker]
    for worker in range(3):
        held, _ = board.abandon(worker)
        if held.batch >= 0:
            done.append((held.batch, held.group))
    rest = [(b, g) for b in order for part in board.parts(b) for g in range(*part)]
    assert sorted([*done, *rest]) == sorted((b, g) for b in order for g in range(sizes[b]))


def test_claims_of_ten_thousand_batches_take_no_time_that_a_person_sees(tmp_path: Path) -> None:
    board = Board(str(tmp_path / "board.bin"), 10_000, 1)
    order = list(range(10_000))
    began = time.process_time()
    while (batch := board.own(0, order)) is not None:
        board.collected(0, batch, 1, 0, 0.0)
        board.claim(0, batch)
        board.put_down(0)
    assert time.process_time() - began < 5


def test_a_board_of_another_collection_is_refused(tmp_path: Path) -> None:
    Board(str(tmp_path / "board.bin"), 3, 2)
    with pytest.raises(ValueError, match="another collection"):
        Board(str(tmp_path / "board.bin"), 4, 2)
