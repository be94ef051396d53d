"""CertificateSigningRequests: approved for kubelets, signed with the cluster CA, cleaned when old. requests is pure."""
