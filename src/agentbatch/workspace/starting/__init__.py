"""Making the directories that imported tasks start from, out of clones and folders on this machine."""
