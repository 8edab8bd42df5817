"""What theory knows of a singularity, exactly."""
