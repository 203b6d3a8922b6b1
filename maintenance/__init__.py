"""What is planned, and what it takes down."""
