"""Controllers of volumes and claims: binding, protection, expansion, ephemeral claims, local provisioning. match is pure."""
