"""What was recorded: settings, units of work, and one simulator and one loader per kind of recording."""
