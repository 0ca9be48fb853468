# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model's folder: what is read of it, what decides about building again."""

from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.image import s2i_source as sources
from hypothesis import given
from hypothesis import strategies as st

FILES = st.dictionaries(
    st.text("abc/.", min_size=1, max_size=6),
    st.tuples(st.sampled_from([0o644, 0o600, 0o755]), st.binary(max_size=8)),
    max_size=4,
)


def source(**files):
    made = {name.replace("_py", ".py"): (0o644, text) for name, text in files.items()}
    return sources.Source("/m", made, {"MODEL_NAME": "Model"})


@given(FILES, FILES)
def test_a_digest_is_of_names_contents_and_whether_they_run(one, other):
    def seen(files):
        return {name: (bool(mode & 0o111), text) for name, (mode, text) in files.items()}

    assert (sources.digest(one) == sources.digest(other)) == (seen(one) == seen(other))


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_a_digest_does_not_run_its_parts_together(one, other):
    assert (sources.digest(*one) == sources.digest(*other)) == (one == other)


@pytest.mark.parametrize(
    "path, patterns, out",
    [
        ("notes.txt", ["*.txt"], True),
        ("data/a.csv", ["data"], True),
        ("data/a.csv", ["*.csv"], False),
        ("data/a.csv", ["data/*.csv"], True),
        ("notes.txt", ["*.txt", "!notes.txt"], False),
        ("notes.txt", ["!notes.txt", "*.txt"], True),
        ("model.py", ["*.txt"], False),
    ],
)
def test_what_is_left_out(path, patterns, out):
    assert sources.ignored(path, patterns) is out


def test_training_sees_all_but_the_class_that_nobody_names():
    plain = source(Model_py=b"class Model: pass", train_py=b"print(1)", other_py=b"x = 1")
    assert set(plain.training()) == {"train.py", "other.py"}
    named = source(Model_py=b"class Model: pass", train_py=b"from Model import Model")
    assert set(named.training()) == {"Model.py", "train.py"}
    assert source(Model_py=b"").training() == {}


def test_the_environment_is_made_of_the_requirements_or_of_all_that_is_installed():
    plain = source(**{"Model_py": b"", "requirements.txt": b"six"})
    assert set(plain.requirements()) == {"requirements.txt"}
    package = source(**{"Model_py": b"", "setup.py": b"setup()"})
    assert set(package.requirements()) == {"Model.py", "setup.py"}
    names = source(**{"Model.py": b"", "requirements.txt": b"-r more/base.txt", "more/base.txt": b"six"})
    assert set(names.requirements()) == {"requirements.txt", "more/base.txt"}
    conda = source(**{"Model.py": b"", "environment.yml": b""})
    assert set(conda.requirements()) == {"environment.yml"}
    gone = source(**{"Model.py": b"", "requirements.txt": b"-r base.txt"})
    with pytest.raises(sources.ImageError, match="names base.txt, and there is no such file"):
        gone.requirements()


def test_whether_a_file_runs_counts_and_who_may_read_it_does_not():
    plain, secret, program = ({"a": (mode, b"")} for mode in (0o644, 0o600, 0o755))
    assert sources.digest(plain) == sources.digest(secret) != sources.digest(program)
