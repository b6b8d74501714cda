{{- define "morph.selector" -}}
app.kubernetes.io/name: morph-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "morph.labels" -}}
{{ include "morph.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "morph.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{- /* Who may bring a grant into being. */ -}}
{{- define "morph.operator" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ .Values.serviceAccount.name }}
{{- end }}
