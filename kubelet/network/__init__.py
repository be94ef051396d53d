"""The service network of a machine: fixed Service addresses by nftables, and cluster DNS. Knows no container runtime."""
