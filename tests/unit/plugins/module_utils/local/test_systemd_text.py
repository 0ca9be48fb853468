# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units, read back by a model of systemd's own parser and, where it is installed, by systemd."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import service_units as units
from ansible_collections.monitml.stack.plugins.module_utils.local import systemd_text as text
from hypothesis import given
from hypothesis import strategies as st

SYSTEMD = "/lib/systemd/systemd"
INSTANCE = units.Instance("monitml", "/opt/monitml", "root", "/opt/monitml/log", 1000, 2)
# Everything that complete_service() lets through.
VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.just("\t"), max_size=20)
AWKWARD = [
    '{"a": "b; c #d", "e": \'f\'}',
    "\"both' \\ kinds\\",
    "%h %% %n %",
    "$HOME ${HOME} $$ $",
    ";",
    "",
    " a\tb ",
    "\\x41\\n\\",
    "'",
    '"',
    "é€𝄞",
    "- @ + ! :",
]


def service(name="a", **options):
    given_ = {"name": name, "command": ["/bin/true"], "stop_signal": "TERM", "stop_seconds": 10}
    return units.complete_service(dict(given_, **options), INSTANCE, "models")


def values(unit, key):
    return [line.split("=", 1)[1] for line in unit.splitlines() if line.startswith(key + "=")]


def unquote(line):
    """Words of a line as systemd's extract_first_word() sees them, for what we write: all quoted."""
    words = []
    for match in re.finditer(r'"((?:[^"\\]|\\.)*)"(?: |$)', line):
        words.append(re.sub(r"\\(.)", lambda one: {"t": "\t"}.get(one[1], one[1]), match[1]))
    assert '"' + '" "'.join(re.findall(r'"((?:[^"\\]|\\.)*)"(?: |$)', line)) + '"' == line
    return words


@given(st.lists(VALUES, max_size=4), st.dictionaries(st.sampled_from("ABC"), VALUES))
def test_systemd_reads_back_what_was_given(arguments, environment):
    unit = text.unit(INSTANCE, service(command=["/bin/true"] + arguments, environment=environment))
    (line,) = values(unit, "ExecStart")
    words = unquote(line)
    for word in words:
        assert not re.search(r"(?<!%)(%%)*%(?!%)", word) and not re.search(
            r"(?<!\$)(\$\$)*\$(?!\$)", word
        )
    assert [word.replace("%%", "%").replace("$$", "$") for word in words] == [
        "/bin/true"
    ] + arguments
    found = [unquote(line)[0].replace("%%", "%") for line in values(unit, "Environment")]
    expected = dict({"LANG": "C.UTF-8"}, **environment)
    assert dict(one.split("=", 1) for one in found) == expected


def test_a_unit_never_gives_up_and_takes_its_whole_group_along():
    unit = text.unit(
        INSTANCE,
        service(stop_signal="INT", stop_seconds=7, open_files_max=5000, memory_max_bytes=10**9),
    )
    for line in (
        "Restart=always",
        "RestartSec=1",
        "StartLimitIntervalSec=0",
        "KillMode=control-group",
        "KillSignal=SIGINT",
        "TimeoutStopSec=7",
        "LimitNOFILE=5000",
        "MemoryMax=1000000000",
        "User=root",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ReadWritePaths=/opt/monitml /opt/monitml/log",
        "WantedBy=monitml.target",
        "PartOf=monitml.target",
    ):
        assert line in unit.splitlines(), line


@pytest.mark.parametrize(
    "option", [{"restart_digest": "2"}, {"command": ["/bin/false"]}, {"environment": {"A": "1"}}]
)
def test_what_a_service_reads_at_its_start_changes_its_unit(option):
    assert text.unit(INSTANCE, service()) != text.unit(INSTANCE, service(**option))


def test_owner_knows_our_units_only():
    assert text.owner(text.unit(INSTANCE, service())) == ("monitml", "models")
    assert text.owner(text.target(INSTANCE)) == ("monitml", "-")
    assert text.owner("[Unit]\nDescription=monitml\n") is None


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_to_complain_about(tmp_path):
    awkward = {"V%d" % number: value for number, value in enumerate(AWKWARD)}
    made = service(
        command=["/bin/true"] + AWKWARD,
        environment=awkward,
        open_files_max=9,
        memory_max_bytes=10**9,
    )
    instance = replace(INSTANCE, home=str(tmp_path), log_directory=str(tmp_path))
    path = tmp_path / "monitml-a.service"
    path.write_text(text.unit(instance, dict(made, directory=str(tmp_path))), encoding="utf-8")
    (tmp_path / "monitml.target").write_text(text.target(instance), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ, SYSTEMD_UNIT_PATH=str(tmp_path) + ":"),
    )
    assert "monitml" not in done.stderr and done.returncode == 0, done.stderr


@pytest.mark.skipif(not os.path.exists(SYSTEMD), reason="systemd is not installed")
def test_systemd_itself_sees_what_was_given():
    """systemd --test loads units and prints them as it understood them, on any machine."""
    awkward = {"V%d" % number: value for number, value in enumerate(AWKWARD)}
    made = text.unit(INSTANCE, service(command=["/bin/true"] + AWKWARD, environment=awkward))
    made = made.replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n")
    made = made.replace("After=network.target\n", "").replace("User=root\n", "")
    # It refuses to do so as root, and another user cannot enter pytest's directory.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        runtime = Path(directory, "run")
        runtime.mkdir()
        runtime.chmod(0o777)
        Path(directory, "monitml-a.service").write_text(made, encoding="utf-8")
        for name in ("basic", "default", "shutdown", "sysinit", "monitml"):
            empty = "[Unit]\nDefaultDependencies=no\n"
            Path(directory, name + ".target").write_text(empty, encoding="utf-8")
        done = subprocess.run(
            [SYSTEMD, "--test", "--user", "--unit=monitml-a.service", "--no-pager"],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            user="nobody" if os.geteuid() == 0 else None,
            env={
                "SYSTEMD_UNIT_PATH": directory,
                "XDG_RUNTIME_DIR": str(runtime),
                "LANG": "C.UTF-8",
            },
        )
    if "Command Line:" not in done.stdout:
        pytest.skip("systemd --test does not work here: " + done.stderr[-200:])
    shown = re.findall(r"^\s*Environment: (V\d+)=(.*)$", done.stdout, re.M)
    assert dict(shown) == awkward
    # It prints shell words: a tab as \t, and \$\$ for what stays $$ until the program gets one $.
    (line,) = re.findall(r"^\s*Command Line: (.*)$", done.stdout, re.M)
    words = [one.replace("\\t", "\t").replace("\\$", "$") for one in shlex.split(line)]
    assert [one.replace("$$", "$") for one in words][1:] == AWKWARD
