"""The controller manager: loops that drive what is towards what is asked. Talks to the API only."""
