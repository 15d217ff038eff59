"""What the trial finds on real experiments that somebody has labelled."""
