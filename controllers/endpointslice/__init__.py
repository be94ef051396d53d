"""EndpointSlices: of Services with a selector, and mirrored from Endpoints without one. plan is pure."""

from controllers.endpointslice.mirroring import start as start_mirroring
from controllers.endpointslice.sync import start

__all__ = ["start", "start_mirroring"]
