# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check and complete the description of a deployment on the controller."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils.contract.definition import contract_problems
from ..module_utils.deployment import description as deployment_description
from ..module_utils.deployment import requirements as deployment_requirements
from ..module_utils.serving import prediction_metrics

SPEC_FILE = Path(__file__).resolve().parents[2] / "roles/monitml/meta/argument_specs.yml"
VARIABLE = "monitml_deployment"
IGNORED = {"__pycache__", ".git", ".pytest_cache", ".ipynb_checkpoints"}


class Problems(Exception):
    """Sentences about what is wrong with the input."""

    def __init__(self, sentences):
        self.sentences = list(sentences)
        super().__init__("\n".join(self.sentences))


def typed(description) -> dict:
    """The description with the spec's defaults filled in; raises Problems."""
    # The pure Python loader takes 20 ms for this file, but PyYAML may be built without libyaml.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec = yaml.load(SPEC_FILE.read_text(encoding="utf-8"), loader)
    options = spec["argument_specs"]["main"]["options"]
    result = ArgumentSpecValidator({VARIABLE: _without_prose(options[VARIABLE])}).validate(
        {VARIABLE: description}
    )
    if result.error_messages:
        raise Problems(f"{message[:1].upper()}{message[1:]}." for message in result.error_messages)
    return result.validated_parameters[VARIABLE]


def _without_prose(option: dict) -> dict:
    kept = {key: value for key, value in option.items() if key != "description"}
    if "options" in kept:
        kept["options"] = {name: _without_prose(sub) for name, sub in kept["options"].items()}
    return kept


def find_model(model: str, models_path: list[str]) -> Path:
    """The folder of a model; raises Problems when there is none."""
    given = Path(os.path.expanduser(model))
    candidates = [given] if "/" in model else [Path(base) / model for base in models_path]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate.resolve()
    looked = ", ".join(sorted({str(candidate.resolve().parent) for candidate in candidates}))
    here = sorted(
        {p.name for c in candidates if c.parent.is_dir() for p in c.parent.iterdir() if p.is_dir()}
    )
    raise Problems(
        [
            f"model '{model}': there is no such folder in {looked or 'an empty monitml_models_path'}"
            f" (found there: {', '.join(here) or 'nothing'}). Correct the name or set monitml_models_path."
        ]
    )


def file_names(folder: Path) -> list[str]:
    """The files that make up a model, by their path within its folder."""
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        str(name) for name in names if not IGNORED.intersection(name.parts) and name.suffix != ".pyc"
    ]


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a model by their path within its folder."""
    return {name: (folder / name).read_bytes() for name in file_names(folder)}


def read_contract(model: str, files: dict[str, bytes], folder: Path) -> dict:
    """The contract of a model, in a folder that may hold a reference of its data; raises Problems."""
    if "contract.json" not in files:
        raise Problems([f"model '{model}' has no contract.json: describe its features and targets."])
    try:
        contract = json.loads(files["contract.json"])
    except ValueError as error:
        raise Problems([f"model '{model}': contract.json is no JSON: {error}."]) from error
    found = contract_problems(contract)
    if found:
        raise Problems(f"model '{model}': contract.json: {problem}" for problem in found)
    try:
        # As its server will count by it.
        prediction_metrics.Layout.from_contract(contract, str(folder))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Problems([f"model '{model}': contract.json: {error}."]) from error
    return contract


def read_class_name(model: str, files: dict[str, bytes]) -> str:
    """The name of the model's class, from its s2i environment file; raises Problems."""
    for name in ("environment_rest", ".s2i/environment"):
        if name in files:
            class_name = deployment_description.parse_environment(files[name].decode("utf-8", "replace")).get(
                "MODEL_NAME", ""
            )
            break
    else:
        raise Problems(
            [f"model '{model}' has no environment_rest: write MODEL_NAME=<class> in that file."]
        )
    if not class_name.isidentifier():
        raise Problems([f"model '{model}': {name} has no usable MODEL_NAME: name the model's class."])
    if f"{class_name}.py" not in files:
        raise Problems(
            [f"model '{model}': {name} names the class {class_name}, but there is no {class_name}.py."]
        )
    return class_name


def check_data(path: str, contract: dict) -> None:
    """Raises Problems when training data cannot be read or does not fit a contract."""
    opener = gzip.open if path.endswith(".gz") else open
    try:
        # Excel begins a file with a byte order mark.
        with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
            found = deployment_description.data_problems(lines, contract)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        found = [f"it cannot be read: {getattr(error, 'strerror', None) or error}."]
    if found:
        raise Problems(f"training data {path}: {problem}" for problem in found)


def read_packages(model: str, files: dict[str, bytes], runtime: str) -> dict:
    """What packages of a model are made of, as packages() has it; raises Problems."""
    found = deployment_requirements.packages(files, files.get)
    sentences = [f"model '{model}': {problem}" for problem in found["problems"]]
    conda = deployment_requirements.CONDA
    if conda in files and not found["files"]:
        sentences.append(
            f"model '{model}' has an {conda}, which conda would install, and there is none here: write what it"
            " needs as requirements.txt."
        )
    # What runs in a container has been installed where its image was made.
    if sentences and runtime == "process":
        raise Problems(sentences)
    return found


class ActionModule(ActionBase):
    """Reads the models' folders, which are on the controller, and asks the pure checks."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, args = self.validate_argument_spec(
            argument_spec={
                "description": {"type": "dict", "required": True},
                "traffic": {"type": "dict", "default": {}},
                "models_path": {"type": "list", "elements": "path", "default": []},
                "training_data": {"type": "path"},
                "first_port": {"type": "int", "default": 9000},
                "runtime": {"type": "str", "choices": ["process", "container"], "default": "process"},
                "images": {"type": "dict", "default": {}},
                "environment_files": {"type": "list", "elements": "path", "default": []},
                "runtime_files": {"type": "list", "elements": "path", "default": []},
            }
        )
        try:
            return {"changed": False, "deployment": self._deployment(args)}
        except Problems as problems:
            sentences = "\n".join(f"- {sentence}" for sentence in problems.sentences)
            raise AnsibleActionFail(
                f"The deployment cannot be made as described; nothing has been changed.\n{sentences}"
            ) from None

    def _deployment(self, args: dict) -> dict:
        description, sentences = deployment_description.with_traffic(typed(args["description"]), args["traffic"])
        sentences += deployment_description.problems(description)
        models = {}
        for model in dict.fromkeys(predictor["model"] for predictor in description["predictors"]):
            try:
                models[model] = self._model(model, args)
            except Problems as problems:
                sentences += problems.sentences
        if sentences:
            raise Problems(sentences)
        deployment = deployment_description.complete(description, args["first_port"])
        for predictor in deployment["predictors"]:
            predictor.update(models[predictor["model"]])
        deployment["runtime"] = args["runtime"]
        if args["runtime"] == "container":
            found = deployment_description.take_images(deployment["predictors"], args["images"])
            if found:
                raise Problems(found)
        return deployment

    def _model(self, model: str, args: dict) -> dict:
        folder = find_model(model, args["models_path"])
        files = read_files(folder)
        class_name = read_class_name(model, files)
        contract = read_contract(model, files, folder)
        trains = "train.py" in files
        data = args["training_data"] if trains else None
        if data:
            check_data(data, contract)
        environment = {str(i): Path(p).read_bytes() for i, p in enumerate(args["environment_files"])}
        packages = read_packages(model, files, args["runtime"])
        environment.update((f"model/{name}", files[name]) for name in packages["files"])
        environment_digest = deployment_description.digest(environment)
        content = {f"model/{name}": body for name, body in files.items()}
        content.update((f"runtime/{i}", Path(p).read_bytes()) for i, p in enumerate(args["runtime_files"]))
        content["environment"] = environment_digest.encode()
        content["training_data"] = Path(data).read_bytes() if data else b""
        return {
            "path": str(folder),
            "files": sorted(files),
            "class_name": class_name,
            "contract": contract,
            "trains": trains,
            "training_data": data,
            "digest": deployment_description.digest(content),
            "environment": {
                "digest": environment_digest,
                **{key: packages[key] for key in ("files", "requirements", "project", "editable")},
            },
        }
