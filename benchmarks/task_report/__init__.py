"""The parts of `report_tasks.py`: rows in, Markdown and pictures out."""
