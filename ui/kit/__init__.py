"""The building blocks of the window: theme, icons, layouts, small controls, and slow work off the Qt thread."""
