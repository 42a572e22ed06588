"""Images: a plane with pan and zoom, the layers that paint on it, look-up tables and legends."""
