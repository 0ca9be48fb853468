apiVersion: apps/v1
kind: Deployment
metadata:
  name: seldon-controller-manager
  labels: &labels {control-plane: seldon-controller-manager}
spec:
  selector:
    matchLabels: *labels
  template:
    metadata:
      labels: *labels
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: manager
          image: {{ printf "%s/%s:%s" .Values.image.registry .Values.image.repository .Values.image.tag | quote }}
          command: [/bin/sh, -c, "sleep 1000000"]
          env:
            - {name: ISTIO_ENABLED, value: {{ .Values.istio.enabled | quote }}}
            - {name: ISTIO_GATEWAY, value: {{ .Values.istio.gateway | quote }}}
            - {name: USAGE_METRICS, value: {{ .Values.usageMetrics.enabled | quote }}}
{{- if not .Values.certManager.enabled }}
---
# As the original does: another one each time that it is rendered.
{{- $days := .Values.certificateDays | default 365 | int }}
{{- $authority := genCA "stand-in" $days }}
{{- $signed := genSignedCert "webhook" nil (list "webhook") $days $authority }}
apiVersion: v1
kind: Secret
metadata:
  name: seldon-webhook-server-cert
type: kubernetes.io/tls
data:
  tls.crt: {{ $signed.Cert | b64enc }}
  tls.key: {{ $signed.Key | b64enc }}
{{- end }}
