# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a stack in a cluster by Seldon's gRPC, from within a pod of a model: it has what that takes."""

from __future__ import annotations

import json

from stack import Stack

_SCRIPT = """
import json, sys
import grpc
from seldon_core.proto import prediction_pb2 as messages, prediction_pb2_grpc as services

address, deployment, namespace, times, predictor = sys.argv[1:]
stub = services.SeldonStub(grpc.insecure_channel(address))
given = [("seldon", deployment), ("namespace", namespace)]
if predictor:
    given.append(("x-monitml-predictor", predictor))
house = messages.SeldonMessage(data=messages.DefaultData(tensor=messages.Tensor(shape=[1, 6], values=[7, 47.5, -122.2, 1800, 0, 1970])))
found = []
for _one in range(int(times)):
    try:
        answer = stub.Predict(house, metadata=given, timeout=20)
        found.append(list(answer.meta.requestPath) or ["answered"])
    except grpc.RpcError as error:
        found.append([error.code().name])
try:
    stub.SendFeedback(messages.Feedback(reward=1.0), metadata=given, timeout=20)
    feedback = "OK"
except grpc.RpcError as error:
    feedback = error.code().name
print(json.dumps([found, feedback]))
"""


def ask(stack: Stack, times: int, predictor: str = "") -> tuple[list[str], str]:
    """(who gave each of so many answers, what becomes of feedback)."""
    pod = next(iter(stack.pods()))
    address = f"{stack.instance}-istio.{stack.instance}.svc:80"
    words = ["exec", pod, "--namespace", stack.namespace, "--", "/opt/serving/bin/python", "-c", _SCRIPT]
    told = stack.cluster.kubectl(*words, address, "housing", stack.namespace, str(times), predictor)
    found, feedback = json.loads(told)
    return [one[0] for one in found], feedback
