# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong between us and a cluster, in sentences that name the object and the cure."""

from __future__ import annotations

import re


class KubernetesError(Exception):
    """A sentence. code: the API's HTTP status, 0 where it gave none; reason: its word for it."""

    def __init__(self, sentence: str, code: int = 0, reason: str = ""):
        super().__init__(sentence)
        self.code, self.reason = code, reason


def of_status(who: str, server: str, code: int, status: dict) -> KubernetesError:
    """The error that a Status of the API tells about who (an object in words, or a path)."""
    reason, message = status.get("reason", ""), status.get("message", "") or f"it answered {code}"
    if code == 401:
        sentence = (
            f"The cluster at {server} does not let us in: the token or the certificate of the kubeconfig has"
            " expired or is not of this cluster. Log in anew, or name another monitml_kubernetes_kubeconfig."
        )
    elif code == 409 and "Apply failed" in message:
        sentence = _conflict(who, message)
    elif "failed calling webhook" in message:
        sentence = _webhook(who, message)
    elif "exceeded quota" in message:
        sentence = f"{who}: {message[message.index('exceeded quota'):]}. Raise the quota, or ask for less."
    elif "being terminated" in message:
        sentence = f"{who}: its namespace is being terminated. Wait until it is gone, and run again."
    elif code == 403:
        sentence = f"{who}: this account may not do that ({message}). Ask for the right, or use another account."
    elif code == 404 and not status.get("details", {}).get("name"):
        sentence = f"{who}: the cluster does not know this kind. Install its definition first."
    else:
        sentence = f"{who}: {message}"
    return KubernetesError(sentence, code, reason)


def _webhook(who: str, message: str) -> str:
    """Of what has to allow an object, and does not answer."""
    name = re.search(r'failed calling webhook "([^"]+)"', message)
    service = re.search(r"https://([^.:/]+)\.([^.:/]+)\.svc", message)
    where = f" See that the pods of Service {service[2]}/{service[1]} run, and run again." if service else ""
    why = message.rsplit(": ", 1)[-1].rstrip(".")
    return f"{who}: the webhook {name[1] if name else ''}, which has to allow it, does not answer ({why}).{where}"


def _conflict(who: str, message: str) -> str:
    """Of fields that another manager keeps: its name and the fields."""
    managers = sorted(set(re.findall(r'"([^"]+)"', message)))
    fields = sorted(set(re.findall(r"^- (\S+)|(?<=: )(\.\S+)$", message, re.M)))
    named = ", ".join(one or other for one, other in fields) or "some fields"
    return (
        f"{who}: {named} {'are' if len(fields) > 1 else 'is'} kept by {' and '.join(managers) or 'another'}."
        " Take what it set there back, or leave that object to it under another name."
    )


def unreachable(server: str, error: Exception) -> KubernetesError:
    """The error for a server that does not answer."""
    text = str(getattr(error, "reason", None) or error)
    # urllib3 names its own objects, which help nobody.
    text = re.sub(r"<[^>]*>:? ?|\([^()]*0x[^()]*\)", "", text).strip(" ,'\"()") or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        cure = "Its certificate is not of the authority that the kubeconfig names: take a kubeconfig of this cluster."
    else:
        cure = "Check the address in the kubeconfig, the network and the proxy."
    return KubernetesError(f"The cluster at {server} cannot be reached: {text}. {cure}")
