"""The kubelet's HTTPS API: logs, exec, attach, port-forward, pods, statistics. For the API server alone."""
