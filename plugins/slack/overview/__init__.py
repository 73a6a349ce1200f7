"""What one person may see of departments, answers and the instance: read for App Home, ``/mentee`` and notifications.

Everything here is blocking: call it in a worker thread.
"""
