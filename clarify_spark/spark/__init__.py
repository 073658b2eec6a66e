"""The only place that touches a DataFrame, a session or a remote file: only the DataFrame API, because of Connect."""
