"""The parts of `proxy_devices.py`."""
