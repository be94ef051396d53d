"""What makes a pod spec valid, shared by pods and by every template of pods. One file per idea; `spec.py` puts them together.

Upstream: pkg/apis/core/validation/validation.go, pkg/apis/core/v1/defaults.go, pkg/api/pod.
"""
