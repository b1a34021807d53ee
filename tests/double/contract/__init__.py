"""What the double promises, checked through boto3: one test for each behaviour that moto alone lacks."""
