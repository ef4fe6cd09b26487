"""A cluster's place on the machine is its own: also when several start at the same moment."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from kaito.local.apiserver import address
from kaito.local.apiserver.address import AddressError, choose


def test_clusters_that_start_together_get_ranges_of_their_own(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(8)]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as held, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(choose, folders))
        for one in found:
            held.enter_context(one.mark)
        ranges = [cidr for one in found for cidr in (one.pod_cidr, one.service_cidr)]
        assert len(set(ranges)) == 16


def test_the_place_is_kept_and_not_shared(tmp_path: Path) -> None:
    first = choose(tmp_path)
    with first.mark, pytest.raises(AddressError, match=r"127\.\d+\.0\.0/16, are in use by another one. Stop that one"):
        choose(tmp_path)
    again = choose(tmp_path)
    with again.mark:
        assert again == first


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind((address.HOST, 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(AddressError, match=f"port {port} on 127.0.0.1 is taken"):
            choose(tmp_path, port)


def test_a_cluster_that_is_down_keeps_its_place_while_others_start(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(4)]
    with ExitStack() as held:
        for folder in folders:
            folder.mkdir()
            choose(folder).mark.close()
        for folder in folders:
            held.enter_context(choose(folder).mark)


def test_a_predecessor_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    first = choose(tmp_path)
    ending = threading.Timer(0.2, first.mark.close)
    ending.start()
    with choose(tmp_path).mark:
        ending.join()
