"""The report that people read, as HTML, notebook and PDF, from analysis.json and analysis_details.json alone."""
