"""Put a run together: source, store, model, session. What the command line and the app do alike, and without a screen."""
