"""What the app is measured beside, each started as a program of its own."""
