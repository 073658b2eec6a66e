"""The only place that touches a DataFrame, a session or a remote file: DataFrame API alone, for Connect's sake."""
