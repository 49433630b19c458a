"""Work beside the app: training processes, their queue, and one thread for what takes seconds."""
