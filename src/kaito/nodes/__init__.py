"""Node provisioners behind one protocol: bring-your-own and local."""
