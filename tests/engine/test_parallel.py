import logging

import pytest
import torch
from torch import nn
from toys.toy_task import ToyNet, toy_config

from lib.engine.parallel import check_layout, sync_batch_norm, wrap
from lib.utils.errors import ConfigError

CPU = torch.device("cpu")


def test_one_process_needs_no_wrapper():
    network = ToyNet()
    assert wrap(toy_config(), network, CPU, []) is network


def test_data_parallel_cannot_do_sync_batch_norm():
    with pytest.raises(ConfigError, match=r"torchrun --nproc_per_node 2"):
        check_layout(toy_config(MODEL__SYNC_BN=True), [0, 1], data_parallel=True)


def test_data_parallel_cannot_split_lists_of_images():
    with pytest.raises(ConfigError, match=r"torchrun --nproc_per_node 3"):
        check_layout(toy_config(), [0, 1, 2], data_parallel=False)
    check_layout(toy_config(), [0], data_parallel=False)
    check_layout(toy_config(MODEL__SYNC_BN=True), [], data_parallel=True)


def test_sync_batch_norm_needs_several_processes(caplog):
    caplog.set_level(logging.INFO)
    network = ToyNet()
    assert sync_batch_norm(network, CPU) is network
    assert "one process" in caplog.text


def test_several_gpus_are_data_parallel(monkeypatch):
    made = []

    class Recorder(nn.Module):
        def __init__(self, module, device_ids):
            super().__init__()
            made.append(device_ids)

    monkeypatch.setattr(nn, "DataParallel", Recorder)
    assert isinstance(wrap(toy_config(), ToyNet(), torch.device("cuda", 1), [1, 2]), Recorder)
    assert made == [[1, 2]]
