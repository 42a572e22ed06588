"""The window around the tabs: actions and their keys, top bar, status strip, messages, dialogs."""
