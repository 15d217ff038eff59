"""One JSON document: an object for one experiment, a list for several."""

from __future__ import annotations

from gonogo.report import json
from gonogo.report.formats import Collector, Format


class JsonWriter(Collector):
    """Writes when all verdicts are there."""

    def finish(self, seconds: float) -> None:
        """Write the document."""
        print(json.document(self._verdicts), file=self._stream)


FORMAT = Format("one JSON document", JsonWriter)
