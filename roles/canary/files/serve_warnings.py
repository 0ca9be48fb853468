# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model's start warns of, kept for whoever deploys it.

A pickle of another version of a library loads with a warning in a log that nobody reads, and may
predict anything. Each process of a server leaves what it was warned of as one file per sentence
in the directory of its metrics, where the server's parent finds it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import warnings
import zlib

import monitml_metrics

LOG = logging.getLogger("monitml")
WARNINGS_MAX = 20
TEXT_MAX = 300


@contextlib.contextmanager
def kept():
    """Takes down what a block of a model's start warns of, in the log and for the server's parent."""
    caught, show = [], warnings.showwarning

    def take(message, category, *where, **more):
        if matters(message):
            caught.append(message)
        else:
            show(message, category, *where, **more)

    warnings.showwarning = take
    try:
        yield
    finally:
        warnings.showwarning = show
        for text in sentences(caught):
            LOG.warning("%s", text)
            _leave(text)


def matters(message):
    """Whether a warning (an exception) says that the model may predict otherwise than it did.

    What another version of a library pickled, and what will change or has; not every deprecation.
    """
    if isinstance(message, FutureWarning) or hasattr(message, "original_sklearn_version"):
        return True
    return isinstance(message, UserWarning) and bool(re.search(r"\bversions?\b", str(message), re.I))


def sentences(messages):
    """Warnings that matter as sentences; pickles have one for each pair of versions, and come first."""
    others, pickles = [], {}
    for message in messages:
        made = getattr(message, "original_sklearn_version", None)
        if made is None:
            text = " ".join(str(message).split())
            others.append(text)
        else:
            of = (str(made), str(getattr(message, "current_sklearn_version", "another")))
            pickles.setdefault(of, set()).add(str(getattr(message, "estimator_name", "a part")))
    text = "It was made with scikit-learn %s and is loaded with %s, so it may predict otherwise: %s."
    first = [text % (*of, ", ".join(sorted(names))) for of, names in sorted(pickles.items())]
    return [text[:TEXT_MAX] for text in dict.fromkeys(first + others)]


def _leave(text):
    directory = os.environ.get("MONITML_METRICS_DIR")
    if not directory:
        return
    path = os.path.join(directory, "warning-%08x" % zlib.crc32(text.encode()))
    try:
        with open(path + ".%d" % os.getpid(), "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(stream.name, path)
    except OSError as error:
        LOG.error("The warning cannot be kept: %s.", error)


def read(directory):
    """The sentences in DIRECTORY, sorted. OSError: unreadable."""
    found = []
    for name in os.listdir(directory):
        if re.fullmatch("warning-[0-9a-f]{8}", name):
            with open(os.path.join(directory, name), encoding="utf-8") as stream:
                found.append(stream.read())
    return sorted(found)[:WARNINGS_MAX]


def render(directory, labels):
    """Prometheus text of the sentences in DIRECTORY. OSError: unreadable."""
    samples = [("", {"warning": text}, 1) for text in read(directory)]
    return monitml_metrics.exposition(monitml_metrics.MODEL_WARNING, samples, labels)
