"""Teachers on a Ray cluster: a local one of two processors here."""

import shutil
import tempfile

import joblib
import numpy as np
import pytest
import ray
from ray.util.joblib import register_ray
from torch import nn

from course_lib.pate.partition import disjoint_parts
from course_lib.pate.teachers import train_teachers
from course_lib.pate.training import Training


@pytest.fixture
def cluster(monkeypatch):
    """Ray with two processors and no dashboard; ended, and its folder removed, afterwards."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    folder = tempfile.mkdtemp(prefix="ray_", dir="/tmp")  # short: Ray's sockets lie in it
    for attempts_left in (2, 1, 0):
        try:
            ray.init(
                address="local",
                num_cpus=2,
                include_dashboard=False,
                object_store_memory=80 * 2**20,
                log_to_driver=False,
                _temp_dir=folder,
            )
            break
        except Exception as error:  # Ray waits for 30 seconds, whatever else the machine does
            ray.shutdown()
            if not attempts_left or "timed out during startup" not in str(error):
                raise
    try:
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder)


@pytest.mark.timeout(300)
def test_a_cluster_trains_the_same_teachers(cluster, tmp_path):
    def network():
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

    random = np.random.default_rng(0)
    images = random.normal(size=(90, 6)).astype(np.float32)
    labels = images[:, :3].argmax(axis=1)

    def run(folder=None):
        return train_teachers(
            network,
            images,
            labels,
            parts=disjoint_parts(90, teachers=5, seed=0),
            training=Training(epochs=20, batch_size=8, learning_rate=0.02),
            seed=1,
            folder=folder,
            progress=False,
            device="cpu",
        ).predict(images)

    register_ray()
    with joblib.parallel_config("ray"):
        on_cluster = run(tmp_path)
        resumed = run(tmp_path)
    with joblib.parallel_config(n_jobs=1):
        here = run()
    assert np.array_equal(on_cluster, here)
    assert np.array_equal(resumed, here)
    assert (here == labels).mean() > 0.6
    assert len(list(tmp_path.iterdir())) == 5
