from pathlib import Path

import pytest

from eas_processor.contracts.settings import WorkerSettings
from eas_processor.instances.gpus import Gpus


def settings(*gpus, each=1):
    return WorkerSettings(
        build="b",
        python=Path("python"),
        code=Path("code"),
        hooks="hooks",
        model_entry=Path("model"),
        model_config="",
        threads=1,
        batch_size=1,
        gpus=gpus,
        gpus_each=each,
    )


def visible(gpus, instance, *names, each=1):
    return gpus.take(instance, settings(*names, each=each)).get("CUDA_VISIBLE_DEVICES")


def test_without_cards_the_environment_is_left_alone():
    assert Gpus().take(1, settings()) == {}


def test_each_instance_has_a_card_of_its_own():
    gpus = Gpus()
    assert [visible(gpus, n, "0", "1", "2") for n in range(3)] == ["0", "1", "2"]


def test_instances_share_a_card_evenly_when_there_are_more_of_them():
    gpus = Gpus()
    taken = [visible(gpus, n, "4", "7") for n in range(4)]
    assert taken == ["4", "7", "4", "7"]


@pytest.mark.parametrize(("each", "taken"), [(2, ["0,1", "2,3"]), (3, ["0,1,2", "0,1,3"])])
def test_an_instance_has_as_many_as_it_asks_for_in_their_order(each, taken):
    gpus = Gpus()
    names = ("0", "1", "2", "3")
    assert [visible(gpus, n, *names, each=each) for n in range(2)] == taken


def test_the_card_of_an_instance_that_is_gone_is_the_next_ones():
    gpus = Gpus()
    for instance in range(3):
        visible(gpus, instance, "0", "1", "2")
    gpus.give_back(1)
    assert visible(gpus, 3, "0", "1", "2") == "1"
