"""What is measured, a module for each measure; those with a command line are run in a process of their own."""
