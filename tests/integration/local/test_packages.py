# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environments of models with real packages: what is in them, what serves from them, and who refuses."""

from __future__ import annotations

import fcntl
import json
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.deployment.requirements import packages
from ansible_collections.monitml.stack.plugins.plugin_utils._archive import pack
from private_index import PASSWORD, USER, PrivateIndex, make_wheel
from run_module import run_module
from serving import ROOT, Server, deploy, free_port

FILES = ROOT / "roles/seldon/files"
CACHE = ROOT / ".cache/packages"
# What stands between a model and its package: a sum, by the package itself.
MODEL = """
import base64
import numpy as np
{code}

class Uses:
    def predict(self, X, names=(), meta=None):
        X = np.asarray(X, dtype=np.float32)
        return np.asarray({result}, dtype=float)
"""
ONNX = (
    "CAgSADpfCiUKAXgKAWESAXkiCVJlZHVjZVN1bSoPCghrZWVwZGltcxgAoAECEgFnKgoIARAHOgEBQgFhWhUKAXgSEAoOCAESCgoDEgFuCgMSAW1i"
    "EAoBeRILCgkIARIFCgMSAW5CBAoAEA0="
)
TREE = "TRAIN = np.arange(80, dtype=np.float32).reshape(40, 2)\n"
USES = {
    "pandas": ("import pandas", "pandas.DataFrame(X).sum(axis=1)"),
    "xgboost": (
        f"import xgboost\n{TREE}TREE = xgboost.train({{}}, xgboost.DMatrix(TRAIN, TRAIN.sum(axis=1)), 5)",
        "TREE.predict(xgboost.DMatrix(X))",
    ),
    "lightgbm": (
        f"import lightgbm\n{TREE}SET = lightgbm.Dataset(TRAIN, TRAIN.sum(axis=1))\n"
        "TREE = lightgbm.train({'verbose': -1, 'min_data_in_leaf': 1}, SET, 5)",
        "TREE.predict(X)",
    ),
    "statsmodels": (
        f"import statsmodels.api\n{TREE}FIT = statsmodels.api.OLS(TRAIN.sum(axis=1), TRAIN).fit()",
        "FIT.predict(X)",
    ),
    "onnxruntime": (
        f"import onnxruntime\nSESSION = onnxruntime.InferenceSession(base64.b64decode('{ONNX}'))",
        "SESSION.run(None, {'x': X})[0]",
    ),
}


@pytest.fixture
def model(tmp_path):
    """Makes a model's folder with files."""

    def make(files, code="", result="X.sum(axis=1)"):
        folder = tmp_path / "model"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "Uses.py").write_text(MODEL.format(code=code, result=result), encoding="utf-8")
        (folder / "environment_rest").write_text("MODEL_NAME=Uses\n", encoding="utf-8")
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    return make


@pytest.fixture
def make(tmp_path):
    """Makes the environment of a folder, or of what is in check mode only looked at."""

    def run(folder, check=False, prefix=(), **options):
        found = packages([str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()], lambda n: (folder / n).read_bytes())
        assert not found.pop("problems")
        with (tmp_path / "sources.tar").open("wb") as archive:
            pack([{"src": folder / name, "path": name} for name in found["files"]], archive)
        given = {
            "path": str(tmp_path / "environments/one"),
            "python": sys.executable,
            "installer": {"path": str(CACHE / "uv"), "lock": (FILES / "uv.txt").read_text()},
            "lock": (FILES / "serving.txt").read_text(),
            "server": {
                "in": (FILES / "serving.in").read_text(),
                "toml": (FILES / "serving.toml").read_text(),
                "program": (FILES / "loosen.py").read_text(),
            },
            "model": {"name": "uses", "path": str(folder), **found},
            "archive": str(tmp_path / "sources.tar"),
            **options,
            "environment": json.dumps(options.get("environment", {})),
        }
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = run_module("python_environment", check=check, prefix=prefix, **given)
        # Neither in what it says nor in what it was called with.
        assert PASSWORD not in json.dumps(result)
        return result

    return run


@pytest.fixture
def environment(tmp_path):
    return tmp_path / "environments/one"


def says(environment, code):
    done = subprocess.run([str(environment / "bin/python"), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def serves(environment, folder, tmp_path):
    """Whether a server of the environment predicts the sums of rows, and counts them."""
    files = deploy(tmp_path / "files")
    # As the canary role starts them.
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with Server(files, folder, str(environment / "bin/python"), tmp_path, env=one) as server:
        server.wait_ready(240)
        status, answer = server.predict([[10, 11], [40, 41]])
        assert status == 200 and len(answer["data"]["ndarray"]) == 2, answer
        assert server.count() == 2
    return True


def refused(result, *words):
    """Whether a module failed as it should; the lines that it says."""
    assert result.get("failed"), result
    assert all(word in result["msg"] for word in words), result["msg"]
    return result["msg"].splitlines()


# -- what is in them ---------------------------------------------------------------------------------


def test_what_requirements_name_is_what_pip_makes_of_it(model, make, environment):
    folder = model(
        {
            "requirements.txt": "-r more/base.txt  # shared\n./whl/monitml_acme-1.0-py3-none-any.whl\n-e .\n./lib\n",
            "more/base.txt": "-c bounds.txt\nidna\n",
            "more/bounds.txt": "idna<3.11\n",
            "setup.py": "from setuptools import setup\nsetup(name='uses', version='1', py_modules=['Uses'])\n",
            "lib/setup.py": "from setuptools import setup\nsetup(name='lib', version='2', py_modules=['lib'])\n",
            "lib/lib.py": "",
        }
    )
    make_wheel(folder / "whl")
    assert make(folder, check=True)["changed"] and not environment.exists()
    assert make(folder)["changed"]
    assert not make(folder)["changed"]
    code = "import monitml_acme, lib, Uses, importlib.metadata as m; print(monitml_acme.ANSWER, m.version('idna'), Uses.__file__)"
    assert says(environment, code) == f"42 3.10 {environment}/source/Uses.py"


def test_setup_py_alone_installs_the_model(model, make, environment):
    setup = "from setuptools import setup\nsetup(name='uses', version='1', py_modules=['Uses'], install_requires=['idna<3.11'])\n"
    folder = model({"setup.py": setup})
    assert make(folder)["changed"]
    assert says(environment, "import importlib.metadata as m; print(m.version('idna'))") == "3.10"
    assert not (environment / "source").exists()


def test_what_a_model_brings_only_its_user_reads(model, make, environment):
    folder = model({"requirements.txt": "-e .\n", "setup.py": "from setuptools import setup\nsetup(name='uses')\n"})
    assert make(folder, user="daemon")["changed"]
    there = environment.stat()
    assert (there.st_mode & 0o777, there.st_uid, there.st_gid) == (0o750, 0, pwd.getpwnam("daemon").pw_gid)
    environment.parents[1].chmod(0o755)
    look = f"import os; os.listdir({str(environment)!r})"
    for user, code in (("daemon", 0), ("nobody", 1)):
        as_user = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
        # Where the directories above let nobody pass, nothing is shown of the last one.
        if subprocess.run([*as_user, "ls", str(environment.parent)], capture_output=True, check=False).returncode == 0:
            done = subprocess.run([*as_user, "/usr/bin/python3", "-c", look], capture_output=True, check=False)
            assert done.returncode == code, done.stderr


# -- what serves from them ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", USES)
def test_a_model_with_its_own_packages_serves(model, make, environment, tmp_path, name):
    folder = model({"requirements.txt": f"{name}\n"}, *USES[name])
    result = make(folder)
    assert result.get("changed"), result
    assert serves(environment, folder, tmp_path)


@pytest.mark.parametrize(
    ("requirements", "version"), [("numpy==1.26.*\n", "1.26."), ("numpy>=2\n", "2."), ("pandas>=3.1\n", "2.")]
)
def test_either_numpy_serves(model, make, environment, tmp_path, requirements, version):
    folder = model({"requirements.txt": requirements})
    result = make(folder)
    assert result.get("changed"), result
    assert says(environment, "import numpy; print(numpy.__version__)").startswith(version)
    assert serves(environment, folder, tmp_path)


# -- who refuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        ("pandas==3.1.1\nnumpy==1.26.*\n", ["pandas", "numpy==1.26.*"]),
        ("protobuf>=4\n", ["seldon-core==1.17.1 depends on protobuf", "protobuf>=4"]),
        ("no-such-package-anywhere-9f==1\n", ["no-such-package-anywhere-9f was not found"]),
    ],
)
def test_what_excludes_each_other_is_named_before_anything_is_made(model, make, environment, requirements, words):
    folder = model({"requirements.txt": requirements})
    first, second, cure = refused(make(folder, check=True), "Nothing has been changed", "'uses'")
    assert first == "No solution found when resolving dependencies"
    assert second.startswith("Because") and all(word in second for word in words), second
    assert "requirements.txt" in cure and not environment.exists()
    # Nothing half done where nobody looked first, either.
    refused(make(folder), *words)
    assert not environment.exists()


def test_a_package_that_cannot_be_built_says_its_own_words(model, make):
    folder = model({"requirements.txt": "./lib\n", "lib/setup.py": "raise RuntimeError('no compiler here')\n"})
    _first, second, _cure = refused(make(folder, check=True))
    assert second == "RuntimeError: no compiler here"


# -- private indexes ---------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path):
    make_wheel(tmp_path / "index")
    made = PrivateIndex(tmp_path / "index")
    yield made
    made.stop()


def test_a_private_index_is_asked_as_pip_would(model, make, environment, index):
    folder = model({"requirements.txt": "monitml-acme\n"})
    known = f"[global]\nextra-index-url = {index.url(f'{USER}:{PASSWORD}')}\n"
    ca = index.ca_file.read_text()
    lines = refused(make(folder, check=True, pip_config=known), "certificate", "UnknownIssuer")
    assert len(lines) == 3
    refused(make(folder, check=True, pip_config=known.replace(PASSWORD, "wrong"), ca_file=ca), "monitml-acme")
    assert not index.asked
    assert make(folder, pip_config=known, ca_file=ca)["changed"] and index.asked
    assert says(environment, "import monitml_acme; print(monitml_acme.ANSWER)") == "42"
    # The password is nowhere.
    for path in environment.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_netrc_and_variables_name_who_and_where(model, make, index):
    folder = model({"requirements.txt": "monitml-acme\n"})
    netrc = f"machine 127.0.0.1 login {USER} password {PASSWORD}\n"
    given = {"environment": {"UV_INDEX": index.url()}, "ca_file": index.ca_file.read_text()}
    refused(make(folder, check=True, **given), "monitml-acme")
    assert make(folder, check=True, netrc=netrc, **given)["changed"] and index.asked


def test_what_the_system_trusts_is_trusted(model, make, index, tmp_path):
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    trusting = tmp_path / "trusting.crt"
    trusting.write_text(system.read_text() + index.ca_file.read_text())
    # In a mount namespace of its own: the machine's store stays as it is.
    mounted = f'mount --bind {trusting} {system} && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", mounted, "sh"]
    known = f"[global]\nextra-index-url = {index.url(f'{USER}:{PASSWORD}')}\n"
    folder = model({"requirements.txt": "monitml-acme\n"})
    assert make(folder, check=True, prefix=prefix, pip_config=known)["changed"] and index.asked


def test_a_proxy_that_is_named_is_used(model, make):
    folder = model({"requirements.txt": "acme-nowhere\n"})
    nobody = f"http://user:{PASSWORD}@127.0.0.1:{free_port()}"
    quick = {"UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    refused(make(folder, check=True, environment={**quick, "HTTPS_PROXY": nobody}), "Connection refused")
    refused(make(folder, check=True, environment=quick, pip_config=f"[global]\nproxy = {nobody}\n"), "Connection refused")


def test_a_pip_conf_that_is_none_is_told_without_its_words(model, make):
    folder = model({"requirements.txt": "monitml-acme\n"})
    refused(make(folder, check=True, pip_config=f"[global]\n{PASSWORD}\n"), "pip_config", "line 2")
