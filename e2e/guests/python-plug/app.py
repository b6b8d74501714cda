"""A plug written in Python: it makes the weather up, and needs no grant for that."""

from componentize_py_types import Err
from wit_world import exports

SKIES = ["sun", "clouds", "rain", "fog"]


class Source(exports.Source):
    def weather(self, place: str) -> str:
        if place == "nowhere":
            raise Err("there is no such place")
        return f"{SKIES[sum(map(ord, place)) % len(SKIES)]}, as Python guesses"
