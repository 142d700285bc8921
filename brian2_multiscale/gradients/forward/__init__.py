"""Forward sensitivities: derivatives that Brian2 integrates beside the states."""
