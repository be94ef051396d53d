"""Requests that become connections: logs, exec, attach, port-forward and proxies, passed on to kubelets and pods."""
