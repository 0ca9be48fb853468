# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""load_test under ansible-playbook: in its process, as a module, in a terminal, interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# pylint: disable=wrong-import-position
from ansible_collections.monitml.stack.plugins.module_utils.loadtest import run as loadtest_run  # noqa: E402
from load_testing import run, stub  # noqa: E402,F401  pylint: disable=unused-import

ROOT = Path(__file__).resolve().parents[3]
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - monitml.stack.load_test:
        url: "{{ url }}"
        contract: {features: [{name: x, ftype: continuous}]}
        count: "{{ n }}"
        rate: "{{ rate | default(omit) }}"
        report: "{{ report | default(omit) }}"
        summary: "{{ summary | default(omit) }}"
      async: "{{ seconds | default(0) }}"
      poll: 1
"""


def playbook(tmp_path, *arguments, **options):
    play = tmp_path / "play.yml"
    play.write_text(PLAY)
    interpreter = "ansible_python_interpreter=" + sys.executable
    return start("-i", "localhost,", "-e", interpreter, str(play), *arguments, **options)


def start(*arguments, terminal=False, stderr=subprocess.STDOUT, **options):
    command = ["ansible-playbook", *arguments]
    if terminal:
        command = ["script", "-qec", " ".join(command), "/dev/null"]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "PATH": "%s:%s" % (Path(sys.executable).parent, os.environ["PATH"]),
    }
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=stderr,
        stdin=subprocess.DEVNULL,
        **options,
    )


def test_the_action_plugin_runs_on_the_controller(stub, tmp_path):
    # Closed loop: on a busy machine a run at a rate may rightly call its generator late.
    process = playbook(tmp_path, "-c", "local", "-e", "n=80 url=" + stub.url(), "-v")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "answers: 80" in output and "changed=0" in output
    assert "s left" not in output  # no terminal, no progress


@pytest.mark.parametrize("given", ["n=80", "n=80 loadtest_hosts=localhost"])
def test_the_collections_playbook_judges_the_split_that_the_description_declares(stub, given):
    url = "url=" + stub.url()
    process = start("playbooks/loadtest.yml", "-e", given, "-e", url)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "80 requests, 80 answers (bad 20, good 60), 0 errors" in output
    # Of a predictor that answers everything, no share is as declared.
    process = start("playbooks/loadtest.yml", "-e", "n=80", "-e", "url=" + stub.url("/body"))
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 2 and "declared 75.0 %" in output, output


def test_the_collections_playbook_tells_prometheus_where_the_stack_is(stub, tmp_path):
    def output_of(*given):
        # The deployment's own address, at which the stub stands in for the gateway.
        values = f"n=20 monitml_gateway_port={stub.port} monitml_home={tmp_path}"
        process = start("playbooks/loadtest.yml", "-e", values, *given, umask=0o077)
        output = process.communicate(timeout=60)[0]
        return process.returncode, output

    # No stack, nothing to tell, no reason to fail.
    code, output = output_of()
    assert code == 0 and "WARNING" not in output and not list(tmp_path.iterdir()), output
    file = tmp_path / "metrics/load_test.prom"
    file.parent.mkdir()
    code, output = output_of()
    assert code == 0 and "WARNING" not in output, output
    (labels,) = re.findall(r"^monitml_load_test_requests\{(.*)\} 20$", file.read_text(), re.MULTILINE)
    assert 'deployment_name="housing"' in labels and 'namespace="seldon"' in labels
    # Another user reads it: the exporter.
    assert file.stat().st_mode & 0o777 == 0o644 and list(file.parent.iterdir()) == [file]
    # What cannot be told costs a warning; what was asked for costs the run.
    file.unlink()
    file.mkdir()
    code, output = output_of()
    assert code == 0 and "load_test.prom cannot be written" in output, output
    code, output = output_of("-e", f"metrics_file={file}")
    assert code == 2 and "load_test.prom cannot be written" in output, output


@pytest.mark.parametrize("more", [[], ["-e", "ansible_become=true"], ["--check"]])
def test_a_summary_is_for_people_and_not_for_programs(stub, tmp_path, more):
    given = ["-c", "local", "-e", "n=20 summary=true url=" + stub.url(), *more]
    process = playbook(tmp_path, *given)
    output = process.communicate(timeout=60)[0]
    wanted = "nothing was sent" if more == ["--check"] else "20 requests, 20 answers"
    (line,) = [line for line in output.splitlines() if wanted in line]
    assert line.startswith("localhost: "), output
    # What a callback writes for a program stays whole.
    process = playbook(tmp_path, *given, stderr=subprocess.DEVNULL)
    assert wanted not in process.communicate(timeout=60)[0]


def test_progress_is_shown_in_a_terminal(stub, tmp_path):
    process = playbook(
        tmp_path, "-c", "local", "-e", "'n=80 rate=40 url=%s'" % stub.url(), terminal=True
    )
    output = process.communicate(timeout=60)[0]
    assert "s left" in output, output


@pytest.mark.parametrize("arguments", [["-e", "ansible_become=true"], ["-e", "seconds=30"]])
def test_the_module_runs_elsewhere(stub, tmp_path, arguments):
    # Ansible looks for a job's result below HOME, and writes it below the user's home.
    given = "n=20 ansible_async_dir=%s url=%s" % (tmp_path, stub.url())
    process = playbook(tmp_path, "-c", "local", "-e", given, "-v", *arguments)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "answers: 20" in output


def test_a_failed_run_fails_the_task_with_a_sentence(stub, tmp_path):
    process = playbook(tmp_path, "-c", "local", "-e", "n=5 url=" + stub.url("/error500"))
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 2
    assert "no request was answered (http_5xx 5)" in output and "Traceback" not in output


def test_an_interrupted_run_keeps_what_it_has(stub, tmp_path):
    process = playbook(
        tmp_path,
        "-c",
        "local",
        "-e",
        "n=100000 rate=50 report=%s url=%s" % (tmp_path / "r", stub.url()),
    )
    came = len(stub.requests)
    deadline = time.monotonic() + 30
    while len(stub.requests) < came + 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    deadline = time.monotonic() + 5
    while not (tmp_path / "r" / "load_test.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    result = json.loads((tmp_path / "r" / "load_test.json").read_text())
    assert result["interrupted"] and result["outcome"] == "inconclusive"
    assert 10 < result["answers"] < 1000


def test_an_interruption_leaves_time_for_the_report(stub, tmp_path, monkeypatch):
    report = loadtest_run._report

    def interrupted(*given):
        # As Ansible does, which sends a second signal when it ends itself.
        os.kill(os.getpid(), signal.SIGTERM)
        return report(*given)

    monkeypatch.setattr(loadtest_run, "_report", interrupted)
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("ended before its report"))
    try:
        assert run(stub.url(), report=str(tmp_path / "r"))["answers"] == 20
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "r" / "load_test.json").exists()
