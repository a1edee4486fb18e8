"""Parts of the benchmark of searches under a latency budget."""
