# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a model over Seldon's gRPC; the answers look as those of REST do."""

from __future__ import annotations

import traceback

from ..contract.definition import ContractError
from .check import Answer

try:
    import grpc
    from google.protobuf import json_format
    from seldon_core.proto import prediction_pb2
except Exception:  # pylint: disable=broad-except
    # Not ImportError alone: generated code and a protobuf that do not fit raise a TypeError.
    IMPORT_ERROR = traceback.format_exc()
else:
    IMPORT_ERROR = None

# The service that both an executor and a model alone offer.
_PREDICT = "/seldon.protos.Seldon/Predict"


class GrpcModel:
    """A model at ``address``, HOST:PORT. Raises ContractError where nothing answers there."""

    def __init__(self, address, timeout, headers=None, token=None):
        self._timeout = timeout
        pairs = {name.lower(): str(value) for name, value in (headers or {}).items()}
        if token is not None:
            pairs["authorization"] = "Bearer " + token
        self._metadata = tuple(pairs.items())
        self._channel = grpc.insecure_channel(address)
        try:
            grpc.channel_ready_future(self._channel).result(timeout=timeout)
        except grpc.FutureTimeoutError:
            self._channel.close()
            raise ContractError(
                "nothing answered gRPC on grpc_address %s within %g s; start the model's gRPC "
                "server or correct the address." % (address, timeout)
            ) from None
        self._predict = self._channel.unary_unary(
            _PREDICT,
            request_serializer=prediction_pb2.SeldonMessage.SerializeToString,
            response_deserializer=prediction_pb2.SeldonMessage.FromString,
        )

    def predict(self, data):
        """The Answer to ``data``, which is what REST sends under the key data."""
        request = json_format.ParseDict({"data": data}, prediction_pb2.SeldonMessage())
        try:
            reply = self._predict(request, timeout=self._timeout, metadata=self._metadata)
            return Answer(200, json_format.MessageToJson(reply, indent=None))
        except grpc.RpcError as err:
            if err.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                return Answer(problem="The model did not answer within %g s." % self._timeout)
            text = " ".join((err.details() or "").split())[:200].rstrip(".")
            return Answer(
                problem="The model answered gRPC status %s (%s)." % (err.code().name, text)
            )
        except json_format.Error as err:
            return Answer(problem="The model's gRPC answer cannot be read (%s)." % err)

    def close(self):
        """Ends the connection."""
        self._channel.close()
