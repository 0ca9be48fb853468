# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What models bring in packages, in images: what is in them, and who refuses."""

from __future__ import annotations

from building import containers, fails, holds, running
from private_index import PASSWORD, USER, PrivateIndex, make_wheel

SETUP = "from setuptools import setup\nsetup(name='small', version='1', py_modules=['Small'])\n"
CLASS = """
import monitml_acme, numpy, pandas

class Small:
    def predict(self, X, names=(), meta=None):
        return [monitml_acme.ANSWER + int(numpy.__version__.split(".")[0]) for _row in pandas.DataFrame(X).index]
"""


def test_files_that_requirements_name_are_installed_and_numpy_2_serves(dockerd, build, small):
    make_wheel(small / "whl")
    (small / "Small.py").write_text(CLASS, encoding="utf-8")
    (small / "setup.py").write_text(SETUP, encoding="utf-8")
    (small / "more").mkdir()
    (small / "more/base.txt").write_text("-c bounds.txt\npandas\n", encoding="utf-8")
    (small / "more/bounds.txt").write_text("pandas>=3.1\n", encoding="utf-8")
    (small / "requirements.txt").write_text(
        "-r more/base.txt\n./whl/monitml_acme-1.0-py3-none-any.whl\n-e .\n", encoding="utf-8"
    )
    result = build(small)
    assert result.get("changed"), result
    with running(dockerd, "monitml-test/small:1") as (ask, _metrics, container):
        assert ask({"data": {"ndarray": [[1], [2]]}})["data"]["ndarray"] == [44, 44]
        look = dockerd.client.exec_create(container, ["sh", "-c", "pip check; printenv OMP_NUM_THREADS"])
        said = dockerd.client.exec_start(look["Id"]).decode()
        assert said.splitlines() == ["No broken requirements found.", "1"], said
    assert not build(small)["changed"]
    (small / "more/bounds.txt").write_text("pandas>=3.1.1\n", encoding="utf-8")
    assert build(small, check=True)["changed"]


def test_requirements_that_exclude_each_other_are_named_first(dockerd, build, small):
    (small / "requirements.txt").write_text("pandas==3.1.1\nnumpy==1.26.*\n", encoding="utf-8")
    first, second, _cure = fails(build(small), "assemble of the builder failed").splitlines()
    assert first.startswith("Cannot install") and first.endswith("have conflicting dependencies.")
    assert "The user requested numpy==1.26.*" in second and "pandas 3.1.1 depends on numpy>=2" in second
    (small / "requirements.txt").write_text("protobuf>=4\n", encoding="utf-8")
    said = fails(build(small), "seldon-core 1.17.1 depends on protobuf").splitlines()
    assert len(said) == 3
    assert not containers(dockerd) and not dockerd.id_of("monitml-test/small:1")


def test_what_is_not_there_or_needs_conda_is_told(build, small):
    (small / "requirements.txt").write_text("-r nowhere.txt\n", encoding="utf-8")
    fails(build(small), "names nowhere.txt, and there is no such file")
    (small / "requirements.txt").unlink()
    (small / "environment.yml").write_text("dependencies: [pip]\n", encoding="utf-8")
    fails(build(small), "environment.yml", "no conda")


def test_a_private_index_is_asked_and_not_kept(dockerd, build, small, tmp_path):
    make_wheel(tmp_path / "index")
    index = PrivateIndex(tmp_path / "index", dockerd.address)
    try:
        (small / "requirements.txt").write_text("monitml-acme\n", encoding="utf-8")
        config = tmp_path / "pip.conf"
        config.write_text(f"[global]\nextra-index-url = {index.url(f'{USER}:{PASSWORD}')}\n", encoding="utf-8")
        # Nobody in the container trusts its CA, until it is lent with those that this machine trusts.
        assert PASSWORD not in fails(build(small, pip_config=str(config)), "monitml-acme")
        trusted = {"pip_config": str(config), "ca_file": str(index.ca_file)}
        assert build(small, **trusted).get("changed") and index.asked
        assert not holds(dockerd, "monitml-test/small:1", PASSWORD)
    finally:
        index.stop()
