"""CustomResourceDefinitions: their validation, and the serving of what they define. Nothing outside may list custom kinds."""
