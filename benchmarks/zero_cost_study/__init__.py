"""What the scripts `zero_cost_*.py` share."""
