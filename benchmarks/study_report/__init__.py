"""The parts of `report_study.py`: one module for each section."""
