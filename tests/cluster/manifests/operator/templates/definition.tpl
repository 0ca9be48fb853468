{{- if .Values.crd.create }}
# As much of the definition as the tests have need of.
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: seldondeployments.machinelearning.seldon.io
  annotations: {{ toYaml .Values.crd.annotations | nindent 4 }}
spec:
  group: machinelearning.seldon.io
  scope: Namespaced
  names: {kind: SeldonDeployment, listKind: SeldonDeploymentList, plural: seldondeployments, singular: seldondeployment}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              x-kubernetes-preserve-unknown-fields: true
              properties:
                predictors:
                  type: array
                  items:
                    type: object
                    x-kubernetes-preserve-unknown-fields: true
                    required: [graph, name]
                    properties:
                      name: {type: string}
                      traffic: {type: integer}
                      replicas: {type: integer}
            status:
              type: object
              x-kubernetes-preserve-unknown-fields: true
{{- end }}
