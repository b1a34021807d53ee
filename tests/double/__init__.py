"""AWS for tests: moto with the behaviour of AWS where moto lacks it. See README.md."""
