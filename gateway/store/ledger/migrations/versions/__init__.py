"""One file a version, in order. Each is complete in itself: it imports nothing of the gateway, which moves on."""
