"""A process of its own: the same numbers, cancelled at once, started again."""

from __future__ import annotations

import io
import subprocess

import numpy as np
import pytest

from napari_scfm.analysis.apart import process as module
from napari_scfm.analysis.apart import work
from napari_scfm.analysis.apart.process import Process
from napari_scfm.analysis.apart.tasks import UnknownNetworkError
from napari_scfm.analysis.apart.wire import receive, send
from napari_scfm.analysis.clusters import cluster_graph, neighbour_graph
from napari_scfm.errors import ScfmError
from napari_scfm.progress import Cancelled


@pytest.fixture(scope="module")
def apart():
    made = Process()
    yield made
    made.end()


@pytest.fixture
def graph(apart, monkeypatch):
    monkeypatch.setattr(work, "process_of", lambda kind: apart)
    return neighbour_graph(np.random.default_rng(0).normal(size=(400, 5)))


def test_clusters_are_those_of_this_process(apart, graph):
    network = work.NetworkApart(graph)
    for resolution, seed in ((0.5, 0), (2.0, 3)):
        np.testing.assert_array_equal(
            network.clusters(resolution, seed), cluster_graph(graph, resolution, seed)
        )
    with pytest.raises(ScfmError, match="above 0"):
        network.clusters(-1.0)
    assert apart.alive


def test_of_many_networks_one_that_was_let_go_is_sent_again(apart, graph):
    networks = [work.NetworkApart(graph) for _ in range(5)]
    made = [one.clusters() for one in (*networks, networks[0])]
    assert all((one == made[0]).all() for one in made)
    with pytest.raises(UnknownNetworkError):
        apart.ask("clusters", key="nobody", resolution=1.0, seed=0)


def test_what_is_cancelled_ends_it_and_the_next_question_starts_another(apart, graph):
    network = work.NetworkApart(graph)
    before = network.clusters()

    def stop(_):
        raise Cancelled

    points = np.random.default_rng(0).normal(size=(400, 5)).astype("f4")
    with pytest.raises(Cancelled):  # umap-learn is not even imported by then
        work.umap_apart(points, progress=stop)
    assert not apart.alive
    np.testing.assert_array_equal(network.clusters(), before)


def test_one_that_dies_says_so_in_a_sentence(apart, graph):
    def kill(_):
        apart._child.kill()

    points = np.random.default_rng(0).normal(size=(400, 5)).astype("f4")
    with pytest.raises(ScfmError, match="ended before it was done"):
        work.umap_apart(points, progress=kill)
    assert len(work.NetworkApart(graph).clusters()) == 400


@pytest.mark.parametrize("program", ["", "no such program", "false"])
def test_where_none_can_be_started_the_work_is_done_here(graph, monkeypatch, program):
    made = Process()
    if program == "false":
        start = subprocess.Popen
        monkeypatch.setattr(
            module.subprocess, "Popen", lambda _, **how: start(["false"], **how)
        )
    else:
        monkeypatch.setattr(module.sys, "executable", program)
    monkeypatch.setattr(work, "process_of", lambda kind: made)
    found = work.NetworkApart(graph).clusters(2.0)
    np.testing.assert_array_equal(found, cluster_graph(graph, 2.0))
    assert not made.alive


def test_only_numbers_are_sent_and_half_a_message_is_none():
    sink = io.BytesIO()
    send(sink, {"kind": "x"}, [np.arange(6).reshape(2, 3), np.zeros((0, 2), "f4")])
    whole = sink.getvalue()
    head, (one, two) = receive(io.BytesIO(whole))
    assert head == {"kind": "x"}
    np.testing.assert_array_equal(one, np.arange(6).reshape(2, 3))
    assert two.shape == (0, 2)
    with pytest.raises(EOFError):
        receive(io.BytesIO(whole[:-3]))
    with pytest.raises(TypeError, match="numbers"):
        send(sink, {}, [np.array(["a"], dtype=object)])
