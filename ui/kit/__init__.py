"""What all of the window is built from: theme, icons, layouts, small controls, and slow work off the Qt thread."""
