"""What everything else speaks of: the experiment, its plan and runs, the contract, findings, the verdict, the caller's options."""
