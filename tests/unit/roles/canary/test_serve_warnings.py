# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model's start warns of, and what of it is told."""

from __future__ import annotations

import warnings

import pytest
import serve_warnings


class InconsistentVersionWarning(UserWarning):
    """As scikit-learn has it."""

    def __init__(self, name, made, now):
        super().__init__(f"Trying to unpickle estimator {name} from version {made}")
        self.estimator_name, self.original_sklearn_version = name, made
        self.current_sklearn_version = now


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("MONITML_METRICS_DIR", str(tmp_path))
    return str(tmp_path)


def test_pickles_of_another_version_are_one_sentence_with_both(directory):
    for _worker in range(2):
        with serve_warnings.kept(), warnings.catch_warnings():
            warnings.simplefilter("always")
            for name in ("Tree", "Boosting", "Tree"):
                warnings.warn(InconsistentVersionWarning(name, "1.2.2", "1.9.1"))
    (sentence,) = serve_warnings.read(directory)
    assert "scikit-learn 1.2.2" in sentence and "1.9.1" in sentence
    assert sentence.endswith(": Boosting, Tree.")


@pytest.mark.parametrize(
    "warning, told",
    [
        (FutureWarning("the default of loss will change from 'a' to\n 'b'"), True),
        (UserWarning("this booster comes from an older version of XGBoost"), True),
        (UserWarning("X does not have valid feature names"), False),
        (DeprecationWarning("use another version of this name"), False),
    ],
)
def test_what_changes_predictions_is_told_and_the_rest_shown_as_ever(directory, warning, told):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with serve_warnings.kept():
            warnings.warn(warning)
    assert serve_warnings.read(directory) == ([" ".join(str(warning).split())] if told else [])
    assert len(shown) == (0 if told else 1)


def test_a_start_that_fails_has_told_what_it_was_warned_of(directory):
    with pytest.raises(OSError), serve_warnings.kept():
        warnings.warn(FutureWarning("it will end"))
        raise OSError("it ended")
    assert serve_warnings.read(directory) == ["it will end"]


def test_they_are_a_series_that_is_sound_whatever_they_say(directory):
    serve_warnings._leave('a "quoted"\nline')
    text = serve_warnings.render(directory, {"predictor_name": "good"})
    assert 'monitml_model_warning{predictor_name="good",warning="a \\"quoted\\"\\nline"} 1' in text
