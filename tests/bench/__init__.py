"""The project's benchmark: `make bench`. Load goes to loopback only and is bounded in time and count."""
