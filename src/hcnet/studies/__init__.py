"""Studies: experiments over many trainings."""
