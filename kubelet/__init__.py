"""The kubelet: runs the pods bound to its node. Talks to the API and to the container runtime."""
