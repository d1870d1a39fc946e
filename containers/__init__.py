"""What docker-compose.yml needs beside the project itself."""
