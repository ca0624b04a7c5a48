"""The app: pages and the sidebar they share. Start it with `make run`."""

from toolkit.ui.shell import shell

shell().run()
