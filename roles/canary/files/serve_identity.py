# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who answers: each answer says it, and a request that is meant for another is not answered.

Gateways lead by the same header and overwrite what is said here. What comes here in spite of it was
led by one that knows no such predictor, or does not look.
"""

from __future__ import annotations

import monitml_metrics

PREDICTOR, VERSION = "x-monitml-predictor", "x-monitml-version"
_NOBODY = "NOT_IMPLEMENTED"  # as Seldon calls what nobody has named


def add_identity(app, refuse):
    """Has APP, Seldon's own application, say who it is; refuse(sentence) is the answer to a bad request."""
    from flask import request

    identity = monitml_metrics.identity()
    named = {PREDICTOR: identity["predictor_name"], VERSION: identity["predictor_version"]}
    told = {header: name for header, name in named.items() if name != _NOBODY}

    @app.before_request
    def refuse_another():
        wanted = request.headers.get(PREDICTOR)
        if wanted and PREDICTOR in told and wanted != told[PREDICTOR]:
            sentence = "The header %s names %s, and no such predictor is deployed; this is %s."
            return refuse(sentence % (PREDICTOR, wanted, told[PREDICTOR]))
        return None

    @app.after_request
    def say_who(response):
        response.headers.update(told)
        return response
