"""Imported before a chapter, it leaves the engines out: what needs one raises, and the rest can be run without."""

import engines
import streamlit_server


class Absent:
    """An engine that is not there."""

    def __getattr__(self, name):
        raise RuntimeError("there is no engine in this run")


def _absent(number):
    return lambda *_, **__: [Absent() for _ in range(number)]


def _live(*_, **__):
    raise RuntimeError("there is no server in this run")


engines.start_ray = engines.start_spark = _absent(2)
engines.start_ray_cluster = _absent(3)
streamlit_server.live = _live
