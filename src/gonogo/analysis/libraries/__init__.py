"""What libraries and their objects have, as the libraries themselves say; and which values of a program are such objects."""
