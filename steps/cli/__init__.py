"""What a person and the environment see of a step: parameters, settings, messages, progress, exit."""
