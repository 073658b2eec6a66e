"""Complete files and folders at any URI."""
