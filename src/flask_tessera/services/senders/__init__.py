"""What delivers messages: the port, and its implementations with one file each."""
